/**
 * The arguments of MAIL and RCPT: a path in angle brackets, then ESMTP parameters (RFC 5321 §4.1.1.2, §4.1.2). Pure.
 * It splits and checks syntax; whether the address is one is decided by core/address.ts.
 */
import { isUtf8 } from 'node:buffer'

export interface Arguments {
  readonly ok: true
  /** What stands between the brackets, without a source route; empty for the null path. */
  readonly path: string
  /** Keywords in upper case; a keyword without a value maps to undefined. */
  readonly params: ReadonlyMap<string, string | undefined>
}
export interface ArgumentFault {
  readonly ok: false
  readonly text: string
}

const NO_PARAMS: Arguments['params'] = new Map()
const KEYWORD = /^[a-z0-9][a-z0-9-]*$/i
const VALUE = /^[^\x00-\x20=\x7f-\x9f]+$/
/** RFC 5321 appendix C: `@a.example,@b.example:` is to be ignored. */
const SOURCE_ROUTE = /^@[^\s,:@<>]+(?:,@[^\s,:@<>]+)*:/

const fault = (text: string): ArgumentFault => ({ ok: false, text })

/**
 * `readArguments('MAIL FROM:<a@b.example> SIZE=10', 'MAIL', 'FROM')` → `{path: 'a@b.example', params: {SIZE: '10'}}`.
 * `line` is a command line as latin1, its UTF-8 (RFC 6531) still undecoded. White space after the colon is tolerated,
 * as nearly every server does.
 */
export function readArguments(
  line: string,
  verb: 'MAIL' | 'RCPT',
  preposition: 'FROM' | 'TO',
): Arguments | ArgumentFault {
  const syntax = `Syntax: ${verb} ${preposition}:<address>`
  const colon = verb.length + 1 + preposition.length
  if (line.slice(verb.length + 1, colon + 1).toUpperCase() !== `${preposition}:`)
    return fault(syntax)
  let text = line
  if (/[\x80-\xff]/.test(line)) {
    const bytes = Buffer.from(line, 'latin1')
    if (!isUtf8(bytes)) return fault('The command is not valid UTF-8.')
    text = bytes.toString()
  }
  let start = colon + 1
  while (text[start] === ' ') start++
  if (text[start] !== '<') return fault(syntax)
  const end = pathEnd(text, start + 1)
  if (end < 0) return fault(syntax)
  const path = text.slice(start + 1, end)
  const rest = text.slice(end + 1)
  const params = rest === '' ? NO_PARAMS : readParams(rest)
  if (typeof params === 'string') return fault(params)
  return { ok: true, path: path.startsWith('@') ? path.replace(SOURCE_ROUTE, '') : path, params }
}

/** Where the closing bracket is; a quoted local part may hold one that is none. */
function pathEnd(text: string, start: number): number {
  const end = text.indexOf('>', start)
  const quote = text.indexOf('"', start)
  if (quote < 0 || quote > end) return end
  for (let i = quote + 1; i < text.length; i++) {
    const letter = text[i]
    if (letter === '\\') i++
    else if (letter === '"') return text.indexOf('>', i + 1)
  }
  return -1
}

function readParams(text: string): Map<string, string | undefined> | string {
  if (text.trim() === '') return new Map()
  if (!text.startsWith(' ')) return 'White space is missing after the address.'
  const params = new Map<string, string | undefined>()
  for (const param of text.trim().split(/ +/)) {
    const equals = param.indexOf('=')
    const keyword = equals < 0 ? param : param.slice(0, equals)
    const value = equals < 0 ? undefined : param.slice(equals + 1)
    if (!KEYWORD.test(keyword) || (value !== undefined && !VALUE.test(value)))
      return 'A parameter is not of the form KEYWORD or KEYWORD=value.'
    const name = keyword.toUpperCase()
    // RFC 3461 §4: no parameter may be given twice.
    if (params.has(name)) return `The parameter ${name} is given twice.`
    params.set(name, value)
  }
  return params
}
