// EC2's filter values: `*` is any text, `?` any one character, `\` takes the next one literally.
// Matched by hand in linear memory, because a pattern from a caller must not become a regular
// expression: those can be made to run for ever.

/** Whether the whole text matches the pattern. Case-sensitive. */
export function globMatches(pattern: string, text: string): boolean {
  const tokens = tokenise(pattern)
  let [token, at] = [0, 0]
  let star: { token: number; at: number } | undefined
  while (at < text.length) {
    const current = tokens[token]
    if (current === 'any') {
      star = { token, at }
      token++
    } else if (current !== undefined && (current === 'one' || current.literal === text[at])) {
      token++
      at++
    } else if (star !== undefined) {
      star.at++
      token = star.token + 1
      at = star.at
    } else {
      return false
    }
  }
  while (tokens[token] === 'any') token++
  return token === tokens.length
}

type Token = 'any' | 'one' | { readonly literal: string }

function tokenise(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at)
    if (char === '*') tokens.push('any')
    else if (char === '?') tokens.push('one')
    else if (char === '\\' && at + 1 < pattern.length)
      tokens.push({ literal: pattern.charAt(++at) })
    else tokens.push({ literal: char })
  }
  return tokens
}
