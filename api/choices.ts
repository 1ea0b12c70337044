// Members that take one of a few words.

import { invalid, shown } from './aws-error.ts'

/** The value where it is one of these, the default where it is absent. Throws otherwise. */
export function oneOf<T extends string>(
  field: string,
  value: string | undefined,
  { of, otherwise }: { of: readonly T[]; otherwise: T },
): T {
  if (value === undefined || value === '') return otherwise
  const found = of.find((allowed) => allowed === value)
  if (found === undefined) throw invalid(field, `${shown(value)}: one of ${of.join(', ')}`)
  return found
}

/** Whether `include` has TAGS. Throws for a word that is not among those allowed. */
export function includesTags(
  include: readonly string[] | undefined,
  allowed: readonly string[] = ['TAGS'],
): boolean {
  for (const [index, word] of (include ?? []).entries()) {
    oneOf(`include[${index}]`, word, { of: allowed, otherwise: '' })
  }
  return include?.includes('TAGS') === true
}

/** Throws unless there are 1 to 100 references, ECS's limits for a Describe. */
export function checkCount(field: string, references: readonly string[]): void {
  if (references.length >= 1 && references.length <= 100) return
  throw invalid(field, `${references.length} given; 1 to 100 are allowed`)
}
