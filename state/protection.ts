// Task scale-in protection, as ECS has it: for a while nobody replaces, scales away or drains this
// task. It is a fact of the journal, so a restart changes nothing; it runs out by itself. StopTask,
// an exit and the end of the instance pay no heed to it.

import type { Holder } from './task.ts'

/** Whether the task is to be left running at `now`, milliseconds since the epoch. Pure. */
export const isProtected = (
  { desired, protectedUntil }: Pick<Holder, 'desired' | 'protectedUntil'>,
  now: number,
): boolean => desired === 'running' && protectedUntil !== undefined && now < protectedUntil
