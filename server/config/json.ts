/**
 * JSON with the place of the mistake. The engine's own message tells a place only sometimes, and quotes the text
 * around it, which may be a password.
 */

export type Parsed =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'broken'; readonly problem: string }

/** The first `length` characters hold a mistake, as opposed to being right but unfinished. */
function isBroken(text: string, length: number): boolean {
  try {
    JSON.parse(text.slice(0, length))
    return false
  } catch (error) {
    const reason = error instanceof Error ? error.message : ''
    const position = / at position (\d+)/.exec(reason)?.[1]
    return position === undefined
      ? !reason.startsWith('Unexpected end')
      : Number(position) < length && !reason.startsWith('Unterminated')
  }
}

/** `problem` completes the sentence "the file …". A byte order mark in front is skipped. */
export function parseJson(source: string): Parsed {
  const text = source.startsWith('\uFEFF') ? source.slice(1) : source
  try {
    const value: unknown = JSON.parse(text)
    return { kind: 'value', value }
  } catch {
    if (!isBroken(text, text.length)) {
      return { kind: 'broken', problem: 'is not valid JSON: it ends too early' }
    }
    // Once a prefix is broken, every longer one is: the shortest ends with the character that is wrong.
    let right = 0
    let wrong = text.length
    while (wrong - right > 1) {
      const middle = Math.floor((right + wrong) / 2)
      if (isBroken(text, middle)) wrong = middle
      else right = middle
    }
    const lines = text.slice(0, wrong).split('\n')
    const place = `line ${lines.length}, column ${lines.at(-1)?.length ?? 0}`
    return { kind: 'broken', problem: `is not valid JSON: look at ${place}` }
  }
}
