/**
 * Header values with parameters (RFC 2045 §5.1, RFC 2183): Content-Type and Content-Disposition. Reads what is
 * commonly sent, raw UTF-8 included; writes ASCII only, with RFC 2231 for the rest. Never throws.
 */

export interface Parameterised {
  /** Lower case: `text/plain`, `attachment`. */
  readonly value: string
  readonly parameters: readonly Parameter[]
}
export interface Parameter {
  /** Lower case; `filename*` and `filename*0` are names of their own. */
  readonly name: string
  /** Without quotes. */
  readonly text: string
}

const PARAMETER = /\s*;\s*(?:([^\s=;"()]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?/y
/** RFC 2045 §5.1 token. */
const TOKEN = /^[\w!#$%&'*+.^`{|}~-]+$/
const ASCII = /^[\x20-\x7e]*$/
const MAX_SECTION = 60

/** Reads an unfolded value; what comes after something unreadable is passed over. */
export function parseParameterised(text: string): Parameterised {
  const semicolon = text.indexOf(';')
  const head = semicolon < 0 ? text : text.slice(0, semicolon)
  const parameters: Parameter[] = []
  PARAMETER.lastIndex = semicolon
  while (semicolon >= 0) {
    const found = PARAMETER.exec(text)
    if (found === null) break
    const [, name, quoted, plain] = found
    if (name === undefined) continue
    const value = quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1')
    parameters.push({ name: name.toLowerCase(), text: value })
  }
  return { value: withoutComments(head).trim().toLowerCase(), parameters }
}

/** RFC 5322 §3.2.2: comments nest. One that never ends reaches to the end. */
function withoutComments(text: string): string {
  let at = text.indexOf('(')
  if (at < 0) return text
  let kept = text.slice(0, at)
  let depth = 0
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (depth === 0) kept += char
  }
  return kept
}

/** The text of a parameter, or undefined. */
export const parameter = (value: Parameterised, name: string): string | undefined =>
  value.parameters.find((one) => one.name === name)?.text

/** `attachment; filename*=utf-8''%C3%A9.pdf`; ASCII, unfolded. */
export function formatParameterised({ value, parameters }: Parameterised): string {
  let text = value.replace(/[^\x20-\x7e]/g, '?')
  for (const { name, text: content } of parameters) {
    if (!ASCII.test(name)) continue
    if (TOKEN.test(content)) text += `; ${name}=${content}`
    else if (ASCII.test(content) || name.includes('*')) {
      const plain = content.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
      text += `; ${name}="${plain}"`
    } else text += extended(name, content)
  }
  return text
}

/** RFC 2231 §3 and §4: percent-encoded UTF-8, in numbered sections when it is long. */
function extended(name: string, content: string): string {
  const sections: string[] = []
  let section = ''
  for (const char of content) {
    const encoded = percent(char)
    if (section.length + encoded.length > MAX_SECTION) {
      sections.push(section)
      section = ''
    }
    section += encoded
  }
  sections.push(section)
  if (sections.length === 1) return `; ${name}*=utf-8''${sections[0]!}`
  return sections.map((text, n) => `; ${name}*${n}*=${n === 0 ? "utf-8''" : ''}${text}`).join('')
}

const percent = (char: string): string =>
  /^[A-Za-z0-9._~-]$/.test(char)
    ? char
    : Buffer.from(char).toString('hex').toUpperCase().replace(/../g, '%$&')
