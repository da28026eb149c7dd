import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aMessage, codeOf, openWorld } from '../http/support.ts'
import type { World } from '../http/support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const RUNS = { numRuns: 300 }
const URLS = ['/v1/messages', '/v1/messages/batch', '/v1/messages/raw']

async function neverBreaks(
  url: string,
  body: unknown,
  headers?: Record<string, string>,
): Promise<void> {
  const answer = await world.post(url, body, headers)
  expect(answer.statusCode).toBeLessThan(500)
  if (answer.statusCode >= 400) codeOf(answer)
}

test('no JSON breaks it', () =>
  fc.assert(
    fc.asyncProperty(fc.constantFrom(...URLS), fc.json(), (url, json) => neverBreaks(url, json)),
    RUNS,
  ))

test('no value in a field breaks it', () => {
  const names = [
    ...Object.keys(aMessage()),
    'cc',
    'bcc',
    'replyTo',
    'html',
    'headers',
    'attachments',
    'tags',
    'metadata',
    'stream',
    'sendAt',
    '__proto__',
  ]
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'a@b.example',
      '"x\r\n" <a@b.example>',
      'Hi\r\nBcc: x',
      '\ud800',
      'a@b.example, c@d.example',
    ),
  )
  const value = fc.oneof(
    text,
    fc.array(text, { maxLength: 4 }),
    fc.dictionary(text, text, { maxKeys: 4 }),
    fc.array(fc.record({ email: text, name: text })),
    fc.array(fc.record({ filename: text, contentType: text, content: text, contentId: text })),
    fc.jsonValue(),
  )
  return fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), value, (name, given) =>
      neverBreaks('/v1/messages', { ...aMessage(), [name]: given }),
    ),
    RUNS,
  )
})

test('no bytes break it', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom('application/json', 'message/rfc822'),
      fc.uint8Array({ maxLength: 300 }),
      (type, bytes) =>
        neverBreaks('/v1/messages/raw?from=a@b.example&to=c@d.example', Buffer.from(bytes), {
          'content-type': type,
        }),
    ),
    RUNS,
  ))

test('no query breaks a list', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom('/v1/messages', '/v1/events', '/v1/messages/msg_00000000001'),
      fc.constantFrom('cursor', 'limit', 'since', 'to', 'state', 'tag', 'deliveriesAfter', 'x'),
      fc.string(),
      async (path, name, given) => {
        const answer = await world.get(`${path}?${name}=${encodeURIComponent(given)}`)
        expect(answer.statusCode).toBeLessThan(500)
      },
    ),
    RUNS,
  ))
