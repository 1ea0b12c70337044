// What it means that a file of a cgroup is not there: the cgroup is gone, or going.

/** ENODEV: the file of a cgroup that was removed while it was open. */
export const GONE = ['ENOENT', 'ENODEV', 'ESRCH']

export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** Undefined for what says that it is gone; throws every other error. */
export function unlessGone(error: unknown): undefined {
  if (!GONE.includes(codeOf(error))) throw error
}

/** The answer, or undefined where it is gone. */
export const unlessNone = <T>(asked: Promise<T>): Promise<T | undefined> => asked.catch(unlessGone)
