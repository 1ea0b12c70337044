// The region as containers are told it, as the ECS agent does (task.go, ApplyRegionToContainer): both
// variables or neither, and neither where the definition, a file or the image has one. A container
// here cannot ask the instance metadata service for it.

const NAMES = ['AWS_REGION', 'AWS_DEFAULT_REGION'] as const

/** The variables to add. Pure. `has`: the names that the container has anyhow. */
export function regionVariables(
  region: string,
  has: Iterable<string>,
): Readonly<Record<string, string>> {
  const names = new Set(has)
  if (NAMES.some((name) => names.has(name))) return {}
  return Object.fromEntries(NAMES.map((name) => [name, region]))
}
