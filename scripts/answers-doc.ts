// Writes docs/answers.md from the table of answers (api/fields/answers.ts) and ECS's own schemas:
// `node scripts/answers-doc.ts`. test/api/answers.test.ts compares the two.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DescribeContainerInstances$,
  DescribeServices$,
  DescribeTasks$,
  ListTasks$,
} from '@aws-sdk/client-ecs'
import { NormalizedSchema } from '@smithy/core/schema'
import type { Answer } from '../api/fields/answer.ts'
import { ANSWERS } from '../api/fields/answers.ts'
import type { OperationSchema } from '../api/protocol.ts'

/** Where the document is. */
export const DOCUMENT = join(import.meta.dirname, '../docs/answers.md')

const SCHEMAS: Readonly<Record<string, OperationSchema>> = {
  DescribeTasks: DescribeTasks$,
  DescribeContainerInstances: DescribeContainerInstances$,
  ListTasks: ListTasks$,
  DescribeServices: DescribeServices$,
}

/** The path of every member that ECS's schema of this action's answer has, without indices. */
export function membersOf(action: string): string[] {
  const schema = SCHEMAS[action]
  if (schema === undefined) throw new Error(`no schema of ${action}`)
  return walk(NormalizedSchema.of(schema[5]), '')
}

function walk(schema: NormalizedSchema, path: string): string[] {
  if (schema.isListSchema()) return walk(schema.getValueSchema(), path)
  if (!schema.isStructSchema()) return []
  return [...schema.structIterator()].flatMap(([name, member]) => {
    const within = path === '' ? name : `${path}.${name}`
    return [within, ...walk(member, within)]
  })
}

/** What is said of a member; undefined where the table has no line for it. */
export function answerAt(action: string, path: string): Answer | undefined {
  const end = path.lastIndexOf('.')
  const place = path.slice(0, Math.max(0, end))
  const own = ANSWERS[action]?.[place]?.[path.slice(end + 1)]
  if (own !== undefined) return own
  // A structure that is never there stands for all that is in it.
  const outer = place === '' ? undefined : answerAt(action, place)
  return outer?.is === 'never' ? outer : undefined
}

/** The whole document. */
export function documentText(): string {
  return `${HEAD}${Object.keys(ANSWERS).map(section).join('\n')}`
}

function section(action: string): string {
  const lines = membersOf(action).flatMap((path) => {
    const place = path.slice(0, Math.max(0, path.lastIndexOf('.')))
    const outer = place === '' ? undefined : answerAt(action, place)
    // Its structure's line has said it.
    if (outer?.is === 'never') return []
    return [`| \`${path}\` | ${said(answerAt(action, path))} |`]
  })
  return `## ${action}\n\n| member | | |\n|---|---|---|\n${lines.join('\n')}\n`
}

function said(answer: Answer | undefined): string {
  if (answer === undefined) return '**?** | not in the table'
  if (answer.is === 'always') return `yes | ${answer.note ?? ''}`
  if (answer.is === 'sometimes') return `yes | when ${answer.when}`
  return `never | ${answer.because}`
}

const HEAD = `# Answers

Every member of ECS's answers about tasks, this host and services (the shapes in @aws-sdk/client-ecs), and whether it is
in enid's. A member that is never there stands for all that is in it. Written by \`node scripts/answers-doc.ts\`; a test compares the
table with the SDK, with what is answered, and with the samples that the AWS CLI and botocore carry.

`

if (import.meta.main) writeFileSync(DOCUMENT, documentText())
