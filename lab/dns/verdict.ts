// What becomes of a question to a resolver of the lab's. Pure.

import type { StringAnswer } from 'dns-packet'

/** Seconds that an answer may be kept, as Amazon's resolver says. */
export const TTL_SECONDS = 60

/** A question of class IN. The name has no dot at its end. */
export type Question = { readonly name: string; readonly type: string }

export type Verdict =
  /** Records of that name; none: the name exists and has none of the type. */
  | { readonly kind: 'answer'; readonly answers: readonly StringAnswer[]; readonly zone: string }
  | { readonly kind: 'no-such-name'; readonly zone: string }
  | { readonly kind: 'forward' }

/** A record of the name that is asked for. */
export type Found = Pick<StringAnswer, 'type' | 'data'>

/** The records that the question is about. */
export const answered = (
  { name, type }: Question,
  zone: string,
  records: readonly Found[],
): Verdict => ({
  kind: 'answer',
  zone,
  answers: records
    .filter((record) => type === 'ANY' || record.type === type)
    .map((record): StringAnswer => ({ ...record, name, ttl: TTL_SECONDS, class: 'IN' })),
})
