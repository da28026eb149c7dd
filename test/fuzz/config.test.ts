import fc from 'fast-check'
import { test } from 'vitest'
import { SETTABLE } from '../../server/config/fields.ts'
import { loadConfig, type ConfigInput } from '../../server/config/load.ts'
import { exampleConfig } from '../../server/config/describe.ts'
import { parseEndpoint, parseNetwork } from '../../server/config/address.ts'
import { parseDuration, parseSchedule, parseSize } from '../../server/config/units.ts'
import { AppError } from '../../server/core/errors.ts'

const PATHS = SETTABLE.map(({ path }) => path)
const NAMES = SETTABLE.map(({ env }) => env ?? '')
const NUMBERS = ['0 s', '1 ms', '256 KiB', '5m*2, 1h', '-1', '1e9', '[1]', '[{}]', 'null', 'true']

/** Loads, or refuses with a list of what is wrong: nothing else may happen, whatever was written. */
function loadsOrTells(input: ConfigInput): void {
  try {
    loadConfig(input)
  } catch (error) {
    const isTold =
      error instanceof AppError && error.code === 'CONFIG_INVALID' && error.fields.length > 0
    if (!isTold) throw error
  }
}

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...NUMBERS), fc.json())

test('any text in the file', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      loadsOrTells({ file: { name: 'f', text }, env: {}, flags: {}, hostname: 'h' })
    }),
    { numRuns: 500 },
  )
})

test('any value in the place of any setting', () => {
  fc.assert(
    fc.property(fc.constantFrom(...PATHS), fc.jsonValue(), (path, value) => {
      const tree: Record<string, unknown> = structuredClone(exampleConfig())
      let place = tree
      const names = path.split('.')
      for (const name of names.slice(0, -1)) place = place[name] as Record<string, unknown>
      place[names.at(-1)!] = value
      loadsOrTells({
        file: { name: 'f', text: JSON.stringify(tree) },
        env: {},
        flags: {},
        hostname: 'h',
      })
    }),
    { numRuns: 500 },
  )
})

test('any variable and any flag', () => {
  const variables = fc.dictionary(
    fc.oneof(
      fc.constantFrom(...NAMES),
      fc.string().map((tail) => `POSTHORN_${tail}`),
    ),
    anyText,
    { maxKeys: 5 },
  )
  const flags = fc.dictionary(fc.oneof(fc.constantFrom(...PATHS), fc.string()), anyText, {
    maxKeys: 5,
  })
  fc.assert(
    fc.property(variables, flags, fc.string(), (env, given, hostname) => {
      loadsOrTells({ file: undefined, env, flags: given, hostname })
    }),
    { numRuns: 500 },
  )
})

test('parsers of notations take any text', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const ms = parseDuration(text)
      const bytes = parseSize(text)
      const isCount = (n: number | undefined) =>
        n === undefined || (Number.isSafeInteger(n) && n >= 0)
      const waits = parseSchedule(text) ?? [1]
      const port = parseEndpoint(text)?.port ?? 0
      const prefix = Number(parseNetwork(text)?.split('/')[1] ?? 1)
      return (
        isCount(ms) &&
        isCount(bytes) &&
        waits.every((wait) => wait > 0) &&
        port <= 65_535 &&
        prefix >= 1
      )
    }),
    { numRuns: 2000 },
  )
})
