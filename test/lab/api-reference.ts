// EC2's API reference as the SDK ships it: the comments in its declarations. From them the filters
// that each action documents, so that no list of them is written by hand, by us, from what we built.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = join(
  dirname(fileURLToPath(import.meta.resolve('@aws-sdk/client-ec2/package.json'))),
  'dist-types/models',
)
const text = globSync('models_*.d.ts', { cwd: folder })
  .sort()
  .map((file) => readFileSync(join(folder, file), 'utf8'))
  .join('\n')

/**
 * The names of the filters that an action documents; `tag:KEY` and `tag-key` are left out. `member`
 * is the parameter that takes them.
 */
export function documentedFilters(action: string, member: string): string[] {
  const comment = commentOf(action, member)
  const items = [...comment.matchAll(/<li>([\s\S]*?)<\/li>/g)].map(([, item = '']) => item)
  const names = items.flatMap((item) => {
    const [first] = codes(item)
    const alias = /can also use([\s\S]*?)as the filter name/.exec(item)?.[1] ?? ''
    return [...(first === undefined ? [] : [first]), ...codes(alias)]
  })
  return [...new Set(names)].filter((name) => !/^tag(:|-key$|$)/.test(name)).sort()
}

/** The comment above a member of an action's request. */
function commentOf(action: string, member: string): string {
  const from = text.search(new RegExp(`^export interface ${action}Request `, 'm'))
  if (from < 0) throw new Error(`the SDK declares no ${action}Request`)
  const body = text.slice(from, text.indexOf('\n}', from))
  const at = body.search(new RegExp(`^ {4}${member}\\??:`, 'm'))
  if (at < 0) throw new Error(`${action}Request has no member ${member}`)
  return body.slice(body.lastIndexOf('/**', at), at)
}

const codes = (html: string): string[] =>
  [...html.matchAll(/<code>([\s\S]*?)<\/code>/g)].map(([, code = '']) =>
    code.replaceAll(/\s*\*\s+/g, '').trim(),
  )
