/** Strict base64 (RFC 4648 §4). Node's decoder skips what it does not know; here garbage is refused, without a loop per byte. */

/** The bytes, or undefined when the text is not base64. Line breaks are taken; padding may be left out. */
export function decodeBase64(text: string): Buffer | undefined {
  const compact = text.includes('\n') ? text.replace(/\r?\n/g, '') : text
  const padding = compact.endsWith('==') ? 2 : compact.endsWith('=') ? 1 : 0
  const letters = compact.length - padding
  if (letters % 4 === 1 || (padding > 0 && compact.length % 4 !== 0)) return undefined
  const bytes = Buffer.from(compact, 'base64')
  // Whatever the decoder skipped is missing from the length.
  return bytes.length === Math.floor((letters * 3) / 4) ? bytes : undefined
}
