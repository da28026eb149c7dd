/**
 * The kinds of field a configuration is made of. Each makes a Typebox schema that carries its description, unit
 * and default, so that everything else (loading, docs, help, the settings form) is derived from the schema alone.
 * A "notation" is a string with a syntax of its own; it is checked by `validate.ts` and decoded to its value.
 */
import Type, { type TEnumValue, type TProperties, type TSchema } from 'typebox'
import { parseAddress } from '../core/address.ts'
import {
  parseEhlo,
  parseEndpoint,
  parseHostname,
  parseNameServer,
  parseNetwork,
  parseOrigin,
  parseRedisUrl,
} from './address.ts'
import { parseBackupSchedule } from './backup-schedule.ts'
import { parseDuration, parseSchedule, parseSize } from './units.ts'

interface Notation {
  readonly parse: (text: string) => unknown
  /** Completes the sentence "must be …". */
  readonly says: string
}

function parseMailAddress(text: string): string | undefined {
  const parsed = parseAddress(text)
  return parsed.ok ? parsed.address : undefined
}

/** Notation → parser (undefined: not valid) and the words for it. */
export const NOTATIONS = {
  duration: {
    parse: parseDuration,
    says: 'a duration such as "250 ms", "30 s", "5 m", "2 h", "3 d"',
  },
  size: { parse: parseSize, says: 'a size such as "512 B", "256 KiB", "25 MiB", "2 GiB"' },
  schedule: {
    parse: parseSchedule,
    says: 'a list of waits such as "1m, 5m*2, 1h" (at most 200, each from 1 s to 7 d)',
  },
  'backup schedule': {
    parse: parseBackupSchedule,
    says: '"off", a time of every day such as "03:15", or a pace such as "every 6 h" (15 m to 31 d)',
  },
  listen: {
    parse: (text: string) => parseEndpoint(text),
    says: 'an address with a port such as "127.0.0.1:8080" or "[::1]:8080"',
  },
  'name server': {
    parse: parseNameServer,
    says: 'an IP address, with a port if it is not 53, such as "192.0.2.53:5353"',
  },
  network: {
    parse: parseNetwork,
    says: 'an address or network such as "10.0.0.0/8" (not one with prefix 0, which is everybody)',
  },
  hostname: { parse: parseHostname, says: 'a host name such as "mail.example.com"' },
  ehlo: { parse: parseEhlo, says: 'a host name, or an address literal such as "[192.0.2.1]"' },
  'mail address': { parse: parseMailAddress, says: 'an address such as "posthorn@example.com"' },
  origin: {
    parse: parseOrigin,
    says: 'an http or https address without a path, such as "https://mail.example.com"',
  },
  'cors origin': {
    parse: parseOrigin,
    says: 'one exact origin such as "https://app.example.com" (not "*": any page at all could then try keys, and use one it came by)',
  },
  'redis url': {
    parse: parseRedisUrl,
    says: 'an address such as "redis://127.0.0.1:6379/0" (or "rediss://" for TLS)',
  },
} as const satisfies Record<string, Notation>
export type NotationName = keyof typeof NOTATIONS

interface Options {
  readonly default?: string
  /** What a number counts; shown in the documentation. */
  readonly unit?: string
  /** Smallest and largest allowed value, in the notation of the field. */
  readonly atLeast?: string
  readonly atMost?: string
  /** A secret: forms do not show its value again. */
  readonly writeOnly?: boolean
}

function notation<T>(
  name: NotationName,
  parse: (text: string) => T | undefined,
  description: string,
  options: Options,
) {
  return Type.Decode(Type.String({ description, notation: name, ...options }), (text): T => {
    const value = parse(text)
    // `validate.ts` has parsed every text before, so this is a bug of ours, not a mistake of the operator.
    if (value === undefined) throw new Error(`"${text}" was decoded before it was validated`)
    return value
  })
}

type Bounds = Pick<Options, 'atLeast' | 'atMost'>

/** Milliseconds once loaded. */
export const duration = (description: string, value: string, bounds: Bounds = {}) =>
  notation('duration', parseDuration, description, { default: value, unit: 'time', ...bounds })

/** A duration without a default: an item of a list. */
export const wait = (description: string, bounds: Bounds = {}) =>
  notation('duration', parseDuration, description, { unit: 'time', ...bounds })

/** Bytes once loaded. */
export const size = (description: string, value: string, bounds: Bounds = {}) =>
  notation('size', parseSize, description, { default: value, unit: 'bytes', ...bounds })

/** The waits before the second, third, … attempt, in milliseconds. */
export const schedule = (description: string, value: string) =>
  notation('schedule', parseSchedule, description, { default: value, unit: 'time' })

export const backupSchedule = (description: string, value: string) =>
  notation('backup schedule', parseBackupSchedule, description, { default: value })

export const listen = (description: string, options: Options = {}) =>
  notation('listen', (text) => parseEndpoint(text), description, options)
export const nameServer = (description: string) =>
  notation('name server', parseNameServer, description, {})
export const network = (description: string) => notation('network', parseNetwork, description, {})
export const hostname = (description: string) =>
  notation('hostname', parseHostname, description, {})
export const ehlo = (description: string) => notation('ehlo', parseEhlo, description, {})
export const mailAddress = (description: string) =>
  notation('mail address', parseMailAddress, description, {})
export const origin = (description: string) => notation('origin', parseOrigin, description, {})
export const corsOrigin = (description: string) =>
  notation('cors origin', parseOrigin, description, {})
export const redisUrl = (description: string) =>
  notation('redis url', parseRedisUrl, description, { writeOnly: true })

interface CountOptions {
  readonly unit: string
  readonly default?: number
  readonly minimum?: number
  readonly maximum?: number
}
/** A whole number of something, 1 or more unless said otherwise. */
export const count = (description: string, options: CountOptions) =>
  Type.Integer({ description, minimum: 1, ...options })

export const ratio = (description: string, value: number) =>
  Type.Number({ description, unit: 'ratio', default: value, minimum: 0, maximum: 1 })

export const choice = <V extends TEnumValue[]>(
  description: string,
  values: readonly [...V],
  value: V[number],
) => Type.Enum(values, { description, default: value })

export const yesNo = (description: string, value: boolean) =>
  Type.Boolean({ description, default: value })

export const path = (description: string, value?: string) =>
  Type.String({
    description,
    minLength: 1,
    unit: 'path',
    ...(value === undefined ? {} : { default: value }),
  })

export const text = (description: string, value: string) =>
  Type.String({ description, minLength: 1, default: value })

export const list = <T extends TSchema>(
  description: string,
  items: T,
  value: readonly unknown[] = [],
  options: { readonly minItems?: number } = {},
) => Type.Array(items, { description, default: value, ...options })

/** A group of fields. Unknown names in it are errors. */
export const section = <P extends TProperties>(description: string, fields: P) =>
  Type.Object(fields, { description, additionalProperties: false })
