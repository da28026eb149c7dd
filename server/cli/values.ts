/**
 * Values as people type them → values as the program means them. Anything else is a UsageError that names the option
 * and shows what would be right.
 */
import { parseEndpoint, type Endpoint } from '../config/address.ts'
import { didYouMean } from '../config/suggest.ts'
import { parseDuration, parseSize } from '../config/units.ts'
import { parseDomain } from '../core/address.ts'
import { decodeId, encodeId, type Id, type IdKind } from '../core/ids.ts'
import type { Limits } from '../core/provider.ts'
import { UsageError, type Input } from './command.ts'

/** Undefined when the option was not given. */
function parsed<T>(
  input: Input,
  option: string,
  parse: (text: string) => T | undefined,
  says: string,
): T | undefined {
  const text = input.text(option)
  if (text === undefined) return undefined
  const value = parse(text)
  if (value === undefined) throw new UsageError(`--${option} "${text}" is not ${says}`)
  return value
}

export function wholeNumber(
  input: Input,
  option: string,
  { least = 1, most = 1_000_000_000 }: { readonly least?: number; readonly most?: number } = {},
): number | undefined {
  const parse = (text: string): number | undefined => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
    return value >= least && value <= most ? value : undefined
  }
  return parsed(input, option, parse, `a whole number from ${least} to ${most}`)
}

/** Milliseconds. */
export const duration = (input: Input, option: string): number | undefined =>
  parsed(input, option, parseDuration, 'a duration such as "30 m", "1h", "2 d"')

/** Bytes. */
export const size = (input: Input, option: string): number | undefined =>
  parsed(input, option, parseSize, 'a size such as "256 KiB" or "25 MiB"')

/** `host:port`; without a port it is 25. */
export const endpoint = (input: Input, option: string): Endpoint | undefined =>
  parsed(
    input,
    option,
    (text) => {
      const found = parseEndpoint(text, 25)
      return found?.port === 0 ? undefined : found
    },
    'a host with a port such as "10.0.0.5:25" or "mail.example.net:587"',
  )

type Rate = NonNullable<Limits['rate']>

function parseRate(text: string): Rate | undefined {
  const [, count = '', per = ''] = /^([1-9]\d{0,8}) ?\/ ?(.+)$/.exec(text) ?? []
  const perMs = parseDuration(/^\d/.test(per) ? per : `1${per}`)
  if (count === '' || perMs === undefined || perMs === 0) return undefined
  return { messages: Number(count), perMs }
}

/** `10/s`, `600/m`, `100/5m`: messages per time. */
export const rate = (input: Input, option: string): Rate | undefined =>
  parsed(input, option, parseRate, 'a rate such as "10/s", "600/m" or "5000/h"')

/** One of a closed set of words. */
export function word<const T extends string>(
  input: Input,
  option: string,
  words: readonly T[],
): T | undefined {
  const text = input.text(option)
  const value = words.find((known) => known === text)
  if (text === undefined || value !== undefined) return value
  throw new UsageError(`--${option} "${text}" is not one of ${words.join(', ')}`)
}

/** A name of a set that changes, such as that of a provider. */
export function known(input: Input, option: string, names: readonly string[]): string | undefined {
  const text = input.text(option)
  if (text === undefined || names.includes(text)) return text
  throw new UsageError(`--${option} "${text}" is not known${didYouMean(text, names)}`)
}

/** A domain in the form of the database: lower case, A-labels. */
export function domainName(text: string): string {
  const domain = parseDomain(text)
  if (!domain.ok) throw new UsageError(`"${text}" is not a domain: ${domain.reason}`)
  return domain.domain
}

/** A required argument, which the frame has made sure of. */
export const argument = (input: Input, name: string): string => input.argument(name) ?? ''

/** An id as the program prints it. */
export function idArgument<K extends IdKind>(input: Input, name: string, kind: K): Id<K> {
  const text = argument(input, name)
  const id = decodeId(kind, text)
  if (id === undefined) {
    throw new UsageError(`"${text}" is not the id of a ${kind}, such as ${encodeId(kind, 42)}`)
  }
  return id
}

/** Exactly one of these options; undefined when there is none. */
export function onlyOne(input: Input, options: readonly string[]): string | undefined {
  const given = options.filter((option) => input.texts(option).length > 0)
  if (given.length > 1) {
    throw new UsageError(`${given.map((name) => `--${name}`).join(' and ')} exclude each other`)
  }
  return given[0]
}
