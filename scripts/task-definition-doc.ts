// Writes docs/task-definition.md from the table of fields (api/fields/) and ECS's own schema:
// `node scripts/task-definition-doc.ts`. test/api/fields.test.ts compares the two.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RegisterTaskDefinition$ } from '@aws-sdk/client-ecs'
import { NormalizedSchema } from '@smithy/core/schema'
import type { Field } from '../api/fields/field.ts'
import type { OperationSchema } from '../api/protocol.ts'
import { FIELDS } from '../api/rules/supported.ts'

/** Where the document is. */
export const DOCUMENT = join(import.meta.dirname, '../docs/task-definition.md')

/** The path of every field that ECS's schema has, without indices, in the schema's order. */
export function ecsFields(): string[] {
  const operation: OperationSchema = RegisterTaskDefinition$
  return fieldsOf(NormalizedSchema.of(operation[4]), '')
}

function fieldsOf(schema: NormalizedSchema, path: string): string[] {
  if (schema.isListSchema()) return fieldsOf(schema.getValueSchema(), path)
  if (!schema.isStructSchema()) return []
  return [...schema.structIterator()].flatMap(([name, member]) => {
    const within = path === '' ? name : `${path}.${name}`
    return [within, ...fieldsOf(member, within)]
  })
}

/** What is said of a field; undefined where the table has no line for it. */
export function fieldAt(path: string): Field | undefined {
  const end = path.lastIndexOf('.')
  const place = path.slice(0, Math.max(0, end))
  const own = FIELDS[place]?.[path.slice(end + 1)]
  if (own !== undefined) return own
  // A structure that is refused or idle stands for all that is in it.
  const outer = place === '' ? undefined : fieldAt(place)
  return outer?.is === 'taken' ? undefined : outer
}

/** The whole document. */
export function documentText(): string {
  const lines = ecsFields().flatMap((path) => {
    const place = path.slice(0, Math.max(0, path.lastIndexOf('.')))
    const outer = place === '' ? undefined : fieldAt(place)
    // Its structure's line has said it.
    if (outer !== undefined && outer.is !== 'taken') return []
    return [`| \`${path.replace(/^containerDefinitions\./, '….')}\` | ${said(fieldAt(path))} |`]
  })
  return `${HEAD}${lines.join('\n')}\n`
}

function said(field: Field | undefined): string {
  if (field === undefined) return '**?** | not in the table'
  if (field.is === 'taken') return `yes | ${field.as}`
  if (field.is === 'idle') return `kept | does nothing here: ${field.because}`
  return `refused | ${field.instead}`
}

const HEAD = `# Task definitions

Every field that ECS knows (\`RegisterTaskDefinition\` in @aws-sdk/client-ecs), and what becomes of it here. \`….\` stands for
\`containerDefinitions.\`. A field that is refused stands for all that is in it; empty, it may be there, as skeletons and CDK
send it. Nothing that is accepted is silently dropped. Written by \`node scripts/task-definition-doc.ts\`; a test compares.

| field | | |
|---|---|---|
`

if (import.meta.main) writeFileSync(DOCUMENT, documentText())
