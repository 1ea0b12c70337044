// From an action's output to EC2's XML, by the schema. Compact on purpose: the SDK's parser takes
// blanks between elements for text and loses the object around them. Characters that XML cannot
// carry become U+FFFD, so that an echo of bad input cannot break the answer.

import type { NormalizedSchema } from '@smithy/core/schema'
import type { Refusal } from '../../model/refusal.ts'
import type { Operation } from './operations.ts'

const PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'
const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/'

/** The answer of a call that succeeded. A member that the schema lacks is a defect: it throws. */
export function writeResponse(operation: Operation, output: object, requestId: string): string {
  const { name, output: schema } = operation
  const inner = schema.isStructSchema() ? members(schema, output) : '<return>true</return>'
  return (
    `${PROLOG}<${name}Response xmlns="${NAMESPACE}">` +
    `<requestId>${requestId}</requestId>${inner}</${name}Response>`
  )
}

/** The answer of a call that was refused. */
export function writeError(error: Refusal, requestId: string): string {
  const message = escapeText(shortened(error.message))
  const inner = `<Code>${escapeText(error.code)}</Code><Message>${message}</Message>`
  return (
    `${PROLOG}<Response><Errors><Error>${inner}</Error></Errors>` +
    `<RequestID>${requestId}</RequestID></Response>`
  )
}

/** A message that echoes a giant value need not be one. */
function shortened(message: string): string {
  if (message.length <= MESSAGE_MAX) return message
  return `${message.slice(0, MESSAGE_MAX).toWellFormed()} …`
}

const MESSAGE_MAX = 1000

function members(schema: NormalizedSchema, value: object): string {
  const given = new Map<string, unknown>(Object.entries(value))
  let xml = ''
  for (const [name, member] of schema.structIterator()) {
    xml += element(member.getMemberTraits().xmlName ?? name, member, given.get(name))
    given.delete(name)
  }
  const [unknown] = given.keys()
  if (unknown !== undefined) {
    throw new Error(`${schema.getName(true)} has no member ${unknown}`)
  }
  return xml
}

function element(tag: string, schema: NormalizedSchema, value: unknown): string {
  if (value === undefined || value === null) return ''
  const inner = content(schema, value)
  return inner === '' ? `<${tag}/>` : `<${tag}>${inner}</${tag}>`
}

function content(schema: NormalizedSchema, value: unknown): string {
  if (schema.isListSchema()) {
    if (!Array.isArray(value)) throw new Error(`${schema.getName(true)} must be a list`)
    const item = schema.getValueSchema()
    const tag = item.getMergedTraits().xmlName ?? 'item'
    return value.map((each: unknown) => element(tag, item, each)).join('')
  }
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'object' && value !== null) return members(schema, value)
  return escapeText(String(value))
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
}

function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd').replace(/[&<>"\r]/g, (c) => ESCAPES[c] ?? c)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
