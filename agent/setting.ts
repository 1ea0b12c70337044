// What a setting is, and how the commonest kind of it is read. Parts of config.ts have their settings in
// files of their own.

/** One setting: what it is where it is not set, what it may be, and its value; undefined breaks the rule. */
export type Setting<T> = {
  readonly default: string
  readonly rule: string
  parse(text: string): T | undefined
}

/** `true` or `false`, and nothing that looks like them. */
export const trueOrFalse = (text: string): boolean | undefined =>
  ['true', 'false'].includes(text) ? text === 'true' : undefined
