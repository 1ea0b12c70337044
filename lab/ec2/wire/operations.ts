// EC2's operations as the SDK describes them: every name, with the schema of its input and output.
// Nothing about shapes or wire names is written by hand in the lab; it is read from the very
// schemas that the client under test was generated with.
//
// A schema is a tuple: [9, namespace, name, traits, input, output] for an operation, and
// [3, namespace, name, traits, memberNames, memberSchemas, requiredCount] for a structure, whose
// required members come first.

import * as ec2 from '@aws-sdk/client-ec2'
import { NormalizedSchema } from '@smithy/core/schema'

const OPERATION = 9

/** One operation: its name and the schemas of what goes in and what comes out. */
export type Operation = {
  readonly name: string
  readonly input: NormalizedSchema
  readonly output: NormalizedSchema
}

/** Every operation of EC2 by name (823 of them), whether the lab implements it or not. */
export const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  Object.values(ec2)
    .filter((value): value is never => Array.isArray(value) && value[0] === OPERATION)
    .map((tuple) => [
      String(tuple[2]),
      {
        name: String(tuple[2]),
        input: NormalizedSchema.of(tuple[4]),
        output: NormalizedSchema.of(tuple[5]),
      },
    ]),
)

/** The names of a structure's required members. */
export function requiredMembers(structure: NormalizedSchema): readonly string[] {
  const schema: unknown = structure.getSchema()
  if (!Array.isArray(schema)) return []
  const names: unknown = schema[4]
  const count: unknown = schema[6]
  return Array.isArray(names) && typeof count === 'number' ? names.slice(0, count).map(String) : []
}

/** The key under which a member is written in a query: `SecurityGroupId` for `Groups`. */
export function queryKey(name: string, member: NormalizedSchema): string {
  const { ec2QueryName, xmlName } = member.getMemberTraits()
  if (typeof ec2QueryName === 'string') return ec2QueryName
  const key = xmlName ?? name
  return key.charAt(0).toUpperCase() + key.slice(1)
}
