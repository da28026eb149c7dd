/** Bodies that are made to do harm: prototypes, bombs of structure, bombs of compression, and mere size. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JSON_LIMITS, parseJsonBody } from '../../server/http/json-body.ts'
import { AppError } from '../../server/core/errors.ts'
import { bareApp, outcomeOf } from './bare.ts'
import type { BareApp } from './bare.ts'

const MIB = 1024 * 1024
const bytes = (text: string): Buffer => Buffer.from(text)

/** Code, paths and sentence of a refusal. */
function refusalOf(body: Buffer): { code: string; paths: string[]; says: string } {
  try {
    parseJsonBody(body)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { code: error.code, paths: error.fields.map(({ path }) => path), says: error.public }
  }
  throw new Error('was taken')
}

describe('a name that reaches into a prototype', () => {
  test.each([
    ['{"__proto__":{"admin":true}}', '__proto__', 'at the top'],
    ['{"\\u005f_proto__":{"admin":true}}', '__proto__', 'escaped'],
    ['{"a":{"b":[1,{"__proto__":null}]}}', 'a/b/1/__proto__', 'deep inside'],
    ['[{"a":1},{"__proto__":1}]', '1/__proto__', 'in a batch'],
    ['{"constructor":{"prototype":{"admin":true}}}', 'constructor', 'by the constructor'],
    ['{"a":{"constructor":{"prototype":1}}}', 'a/constructor', 'by the constructor, inside'],
  ])('%s is refused at %s: %s', (text, path) => {
    expect(refusalOf(bytes(text))).toMatchObject({ code: 'FIELD_UNKNOWN', paths: [path] })
  })

  test.each([
    ['{"constructor":"Ada Lovelace Ltd."}', 'a word like any other'],
    ['{"prototype":{"a":1}}', 'alone it reaches nothing'],
    ['{"text":"__proto__"}', 'a value'],
    ['{"a":[null,[],{}]}', 'nothing at all'],
  ])('%s is taken: %s', (text) => {
    expect(parseJsonBody(bytes(text))).toEqual(JSON.parse(text))
  })

  test('is what pollutes where nobody refuses it', () => {
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    mergeCarelessly({}, JSON.parse('{"__proto__":{"polluted":"yes"}}'))
    const after: unknown = Reflect.get({}, 'polluted')
    Reflect.deleteProperty(Object.prototype, 'polluted')
    expect(after).toBe('yes')
  })
})

/** The deep merge that half the libraries of the world once had. */
function mergeCarelessly(target: unknown, source: unknown): unknown {
  if (typeof source !== 'object' || source === null) return source
  const into = (typeof target === 'object' && target !== null ? target : {}) as Record<
    string,
    unknown
  >
  for (const [name, value] of Object.entries(source))
    into[name] = mergeCarelessly(into[name], value)
  return into
}

describe('structure', () => {
  const nested = (depth: number): Buffer => bytes('['.repeat(depth) + ']'.repeat(depth))

  test(`may be ${JSON_LIMITS.depth} deep`, () => {
    expect(parseJsonBody(nested(JSON_LIMITS.depth))).toBeDefined()
    expect(refusalOf(nested(JSON_LIMITS.depth + 1)).says).toContain('deeper than 64')
    expect(refusalOf(bytes('{"a":'.repeat(65) + '1' + '}'.repeat(65))).says).toContain('deeper')
  })

  test('of 50 MiB of brackets is refused before it is built', () => {
    const bomb = nested(25 * MIB)
    const started = performance.now()
    expect(refusalOf(bomb)).toMatchObject({ code: 'BODY_INVALID' })
    // The parser alone takes ten seconds and 1.5 GB for it.
    expect(performance.now() - started).toBeLessThan(1000)
  })

  test('may have a million values, and not more', () => {
    const values = (count: number): Buffer => bytes(`[${'0,'.repeat(count - 2)}0]`)
    expect(parseJsonBody(values(JSON_LIMITS.values))).toHaveLength(JSON_LIMITS.values - 1)
    expect(refusalOf(values(JSON_LIMITS.values + 2)).says).toContain('more than 1000000 values')
  })

  test('in strings does not count', () => {
    const text = '[{,\\"'.repeat(300_000)
    for (const quoted of [`{"a":"${text}"}`, `{"a":"${text}\\\\"}`, `["${text}","${text}"]`])
      expect(parseJsonBody(bytes(quoted))).toEqual(JSON.parse(quoted))
  })

  test('is counted right whatever the text is', () => {
    const piece = fc.constantFrom('"', '\\', '\\"', '[', ']', '{', '}', ',', ':', 'a', ' ')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const value = { text: pieces.join(''), [pieces.join('')]: ['x'] }
        // Long enough to be looked at.
        const padded = JSON.stringify([value, 'x'.repeat(JSON_LIMITS.unscanned)])
        expect(parseJsonBody(bytes(padded))).toEqual(JSON.parse(padded))
      }),
    )
  })
})

describe('over HTTP', () => {
  const withRoutes = (): Promise<BareApp> =>
    bareApp((app) => {
      for (const url of ['/v1/messages', '/v1/messages/batch', '/v1/keys'])
        app.post(url, ({ body }) => ({ size: JSON.stringify(body).length }))
      app.post('/v1/import', { bodyLimit: 3 * MIB }, () => ({}))
    })
  const send = async (url: string, payload: string | Buffer, headers = {}) => {
    const { app } = await withRoutes()
    const type = { 'content-type': 'application/json' }
    return outcomeOf(
      await app.inject({ method: 'POST', url, payload, headers: { ...type, ...headers } }),
    )
  }
  const ofSize = (size: number): string => `"${'x'.repeat(size - 2)}"`

  test.each<[url: string, size: number, status: number, code: string, why: string]>([
    ['/v1/keys', MIB, 200, '', 'the most a route takes'],
    ['/v1/keys', MIB + 1, 413, 'MESSAGE_TOO_BIG', 'one byte more'],
    ['/v1/messages', 2 * MIB, 200, '', 'mail may be larger'],
    ['/v1/messages/batch', 2 * MIB, 200, '', 'so may many'],
    ['/v1/import', 2 * MIB, 200, '', 'a route that says so'],
  ])('%s with %i bytes → %i %s: %s', async (url, size, status, code) => {
    expect(await send(url, ofSize(size))).toEqual([status, code])
  })

  test.each(['gzip', 'deflate', 'br', 'GZIP', 'identity, gzip'])(
    'a body in %s is refused, whatever it would become',
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(50 * MIB, 0x20))
      expect(bomb.length).toBeLessThan(100_000)
      const headers = { 'content-encoding': encoding }
      expect(await send('/v1/messages', bomb, headers)).toEqual([415, 'CONTENT_TYPE_UNSUPPORTED'])
    },
  )

  test('a bomb of brackets is 400, and a polluted object, too', async () => {
    const bomb = '['.repeat(100_000) + ']'.repeat(100_000)
    expect(await send('/v1/messages', bomb)).toEqual([400, 'BODY_INVALID'])
    expect(await send('/v1/keys', '{"__proto__":{}}')).toEqual([400, 'FIELD_UNKNOWN'])
  })
})
