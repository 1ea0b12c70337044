// One file of variables, read as ECS reads it (developer guide, "Pass environment variables"; the
// agent's own reader): no quotes, no escapes, no trimming.

/** The variables of the text. Lines without `=`, without a name or without a value say nothing. */
export function variablesIn(text: string): Record<string, string> {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''))
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name = '', value = ''] = /^([^#=][^=]*)=(.+)$/.exec(line) ?? []
      // Docker takes no NUL, and its refusal would quote the line.
      return name === '' || line.includes('\0') ? [] : [[name, value]]
    }),
  )
}
