// Tags: what AWS allows in them, and how they lie in the catalog (by ARN).

import type { Tag } from '@aws-sdk/client-ecs'
import type { Catalog } from '../state/catalog.ts'
import type { AwsError } from './aws-error.ts'
import { invalid, shown } from './aws-error.ts'

/** ECS allows 50; an ENI carries a task's tags beside enid's own three, so room is left for those. */
const TAG_COUNT_MAX = 45

/** AWS: letters, spaces, digits and _.:/=+-@ in every language. */
const FORM = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** Orders to enid (extension-tags.ts), and its own mark. */
export const PREFIX = /^enid:/i

/** Tags with these keys are AWS's own. */
const RESERVED = /^aws:/i

/**
 * Throws at the first tag that AWS would not take. `refusal` makes the error of this action;
 * `withExtensions`: what begins with `enid:` is for others to read.
 */
export function checkTags(
  tags: readonly Tag[],
  path: string,
  {
    refusal = invalid,
    withExtensions = false,
  }: {
    readonly refusal?: (field: string, rule: string) => AwsError
    readonly withExtensions?: boolean
  } = {},
): void {
  if (tags.length > TAG_COUNT_MAX) {
    throw refusal(path, `${tags.length} tags; at most ${TAG_COUNT_MAX} are allowed`)
  }
  const seen = new Set<string>()
  for (const [index, { key = '', value = '' }] of tags.entries()) {
    const at = `${path}[${index}]`
    const is = shown(key)
    if (key.length < 1 || key.length > 128) throw refusal(`${at}.key`, `${is}: 1 to 128 characters`)
    if (value.length > 256) throw refusal(`${at}.value`, `${is}: at most 256 characters`)
    const isOurs = PREFIX.test(key)
    if (RESERVED.test(key) || (isOurs && !withExtensions))
      throw refusal(`${at}.key`, `${is}: aws: and enid: are reserved`)
    if (!isOurs && !(FORM.test(key) && FORM.test(value))) {
      const rule = 'a tag is letters, digits, spaces and _ . : / = + - @'
      throw refusal(FORM.test(key) ? `${at}.value` : `${at}.key`, `${is}: ${rule}`)
    }
    if (seen.has(key)) throw refusal(`${at}.key`, `${is} stands twice`)
    seen.add(key)
  }
}

/** As the catalog keeps them. */
export const tagRecord = (tags: readonly Tag[]): Record<string, string> =>
  Object.fromEntries(tags.map(({ key = '', value = '' }) => [key, value]))

/** As AWS lists them. */
export const listOf = (tags: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(tags).map(([key, value]) => ({ key, value }))

/** Those of a resource. */
export const tagList = (catalog: Catalog, arn: string): Tag[] => listOf(catalog.tags(arn))
