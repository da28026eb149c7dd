import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aMessage, codeOf, openWorld, pathsOf } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const without = (name: string): Record<string, unknown> => aMessage({ [name]: undefined })
const attached = (content: string): Record<string, unknown> =>
  aMessage({ attachments: [{ filename: 'a', contentType: 'text/plain', content }] })

type Row = [why: string, body: unknown, status: number, code: string, paths?: string[]]
const SEND: Row[] = [
  ['empty body', '', 400, 'BODY_NOT_JSON'],
  ['not JSON', '{"from":', 400, 'BODY_NOT_JSON'],
  ['trailing comma', '{"from":"a@b.example",}', 400, 'BODY_NOT_JSON'],
  ['invalid UTF-8', Buffer.from('{"from":"\xff"}', 'latin1'), 400, 'BODY_NOT_JSON'],
  ['a byte order mark of UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 400, 'BODY_NOT_JSON'],
  ['an array', [aMessage()], 400, 'BODY_INVALID', ['']],
  ['a string', '"x"', 400, 'BODY_INVALID', ['']],
  ['null', 'null', 400, 'BODY_INVALID', ['']],
  ['no fields', {}, 400, 'BODY_INVALID', ['from', 'subject']],
  ['no from', without('from'), 400, 'BODY_INVALID', ['from']],
  ['no recipient', without('to'), 400, 'RECIPIENTS_MISSING', ['to']],
  ['recipients that are none', aMessage({ to: [] }), 400, 'RECIPIENTS_MISSING', ['to']],
  ['no content', without('text'), 400, 'MESSAGE_EMPTY'],
  ['an unknown field', aMessage({ cco: 'x' }), 400, 'FIELD_UNKNOWN', ['cco']],
  ['a field of later days', aMessage({ template: 'x' }), 400, 'FIELD_UNKNOWN', ['template']],
  [
    'an unknown field inside',
    aMessage({ from: { email: 'a@b.example', x: 1 } }),
    400,
    'FIELD_UNKNOWN',
    ['from/x'],
  ],
  [
    'an unknown field and a wrong one',
    aMessage({ x: 1, subject: 5 }),
    400,
    'BODY_INVALID',
    ['x', 'subject'],
  ],
  ['a number for a string', aMessage({ subject: 5 }), 400, 'BODY_INVALID', ['subject']],
  [
    'a number among recipients',
    aMessage({ to: ['a@b.example', 5] }),
    400,
    'BODY_INVALID',
    ['to/1'],
  ],
  ['a sender that is no address', aMessage({ from: 'nobody' }), 400, 'ADDRESS_INVALID', ['from']],
  ['two senders', aMessage({ from: 'a@b.example, c@d.example' }), 400, 'SENDER_INVALID', ['from']],
  [
    'a recipient that is no address',
    aMessage({ to: ['a@b.example', 'x@'] }),
    400,
    'ADDRESS_INVALID',
    ['to/1'],
  ],
  [
    'an address that breaks out',
    aMessage({ to: { email: 'a@b.example>, <c@d.example' } }),
    400,
    'ADDRESS_INVALID',
    ['to/email'],
  ],
  [
    'a line break in an address',
    aMessage({ to: 'a@b.example\r\nBcc: c@d.example' }),
    400,
    'ADDRESS_INVALID',
    ['to'],
  ],
  [
    'a line break in a name',
    aMessage({ to: { email: 'a@b.example', name: 'A\r\nBcc: c@d.example' } }),
    400,
    'BODY_INVALID',
    ['to/name'],
  ],
  [
    '21 recipients where 20 are allowed',
    aMessage({ to: Array.from({ length: 21 }, (_, i) => `u${i}@d.example`) }),
    400,
    'RECIPIENTS_TOO_MANY',
    ['to'],
  ],
  [
    'a subject that is too long',
    aMessage({ subject: 'x'.repeat(2001) }),
    400,
    'BODY_INVALID',
    ['subject'],
  ],
  [
    'a header that is ours',
    aMessage({ headers: { Subject: 'x' } }),
    400,
    'HEADER_FORBIDDEN',
    ['headers/Subject'],
  ],
  [
    'a header with a line break',
    aMessage({ headers: { 'X-A': 'x\r\nBcc: c@d.example' } }),
    400,
    'HEADER_INVALID',
    ['headers/X-A'],
  ],
  [
    'a header name with a space',
    aMessage({ headers: { 'X A': 'x' } }),
    400,
    'FIELD_UNKNOWN',
    ['headers/X A'],
  ],
  [
    'metadata that is no text',
    aMessage({ metadata: { a: 1 } }),
    400,
    'BODY_INVALID',
    ['metadata/a'],
  ],
  [
    'a metadata key from below',
    '{"from":"a@b.example","to":"c@d.example","subject":"x","text":"x","metadata":{"__proto__":"x"}}',
    400,
    'FIELD_UNKNOWN',
    ['metadata/__proto__'],
  ],
  [
    '__proto__ as a field',
    '{"from":"a@b.example","to":"c@d.example","subject":"x","text":"x","__proto__":{"admin":true}}',
    400,
    'FIELD_UNKNOWN',
    ['__proto__'],
  ],
  [
    'constructor as a field',
    aMessage({ constructor: { prototype: {} } }),
    400,
    'FIELD_UNKNOWN',
    ['constructor'],
  ],
  ['an unknown stream', aMessage({ stream: 'fast' }), 400, 'BODY_INVALID', ['stream']],
  [
    'eleven tags',
    aMessage({ tags: Array.from({ length: 11 }, (_, i) => `t${i}`) }),
    400,
    'BODY_INVALID',
    ['tags'],
  ],
  ['a sendAt that is no time', aMessage({ sendAt: 'tomorrow' }), 400, 'BODY_INVALID', ['sendAt']],
  ['31 February', aMessage({ sendAt: '2030-02-31T00:00:00Z' }), 400, 'BODY_INVALID', ['sendAt']],
  [
    'a leap second',
    aMessage({ sendAt: '2016-12-31T23:59:60Z' }),
    400,
    'SEND_AT_INVALID',
    ['sendAt'],
  ],
  [
    'a sendAt in ten years',
    aMessage({ sendAt: '2040-01-01T00:00:00Z' }),
    400,
    'SEND_AT_INVALID',
    ['sendAt'],
  ],
  ['base64 with garbage', attached('$$$$'), 400, 'ATTACHMENT_INVALID', ['attachments/0/content']],
  ['base64 cut short', attached('QUJDR'), 400, 'ATTACHMENT_INVALID', ['attachments/0/content']],
  [
    'base64 with padding inside',
    attached('QQ==QUJD'),
    400,
    'ATTACHMENT_INVALID',
    ['attachments/0/content'],
  ],
  [
    'a data URL',
    attached('data:text/plain;base64,QUJD'),
    400,
    'ATTACHMENT_INVALID',
    ['attachments/0/content'],
  ],
  [
    'an attachment that claims to be a tree',
    aMessage({ attachments: [{ filename: 'a', contentType: 'multipart/mixed', content: 'QUJD' }] }),
    400,
    'ATTACHMENT_INVALID',
    ['attachments/0/contentType'],
  ],
  [
    '100,000 levels of arrays',
    `{"to":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    400,
    'BODY_INVALID',
  ],
  ['a number beyond all', '{"subject":1e999}', 400, 'BODY_INVALID'],
  ['more than the body limit', aMessage({ text: 'x'.repeat(1024 * 1024) }), 413, 'MESSAGE_TOO_BIG'],
  [
    'more than a message may have',
    aMessage({ text: 'x'.repeat(600 * 1024) }),
    413,
    'MESSAGE_TOO_BIG',
  ],
]

describe('POST /v1/messages', () => {
  test.each(SEND)('%s', async (_why, body, status, code, paths) => {
    const answer = await world.post('/v1/messages', body)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
    if (paths !== undefined) expect(pathsOf(answer)).toEqual(paths)
  })

  test('a query that means nothing here is refused', async () => {
    const answer = await world.post('/v1/messages?dryRun=true', aMessage())
    expect([answer.statusCode, codeOf(answer)]).toEqual([400, 'FIELD_UNKNOWN'])
    expect(pathsOf(answer)).toEqual(['dryRun'])
  })

  test('__proto__ in a body reaches no prototype', async () => {
    await world.post('/v1/messages', '{"__proto__":{"polluted":1},"headers":{"__proto__":"x"}}')
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })
})

describe('content types', () => {
  const rows: [
    why: string,
    url: string,
    headers: Record<string, string>,
    status: number,
    code: string,
  ][] = [
    ['text', '/v1/messages', { 'content-type': 'text/plain' }, 415, 'CONTENT_TYPE_UNSUPPORTED'],
    [
      'a form',
      '/v1/messages',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'CONTENT_TYPE_UNSUPPORTED',
    ],
    [
      'mail where JSON is expected',
      '/v1/messages',
      { 'content-type': 'message/rfc822' },
      415,
      'CONTENT_TYPE_UNSUPPORTED',
    ],
    [
      'text where mail is expected',
      '/v1/messages/raw',
      { 'content-type': 'text/plain' },
      415,
      'CONTENT_TYPE_UNSUPPORTED',
    ],
    [
      'no type that can be read',
      '/v1/messages',
      { 'content-type': ';' },
      415,
      'CONTENT_TYPE_UNSUPPORTED',
    ],
    ['compressed', '/v1/messages', { 'content-encoding': 'gzip' }, 415, 'CONTENT_TYPE_UNSUPPORTED'],
    [
      'with a charset',
      '/v1/messages',
      { 'content-type': 'application/json; charset=utf-8' },
      202,
      '',
    ],
    ['in capitals', '/v1/messages', { 'content-type': 'Application/JSON' }, 202, ''],
  ]
  test.each(rows)('%s', async (_why, url, headers, status, code) => {
    const answer = await world.post(url, aMessage(), headers)
    expect(answer.statusCode).toBe(status)
    if (code !== '') expect(codeOf(answer)).toBe(code)
  })
})

describe('POST /v1/messages/raw', () => {
  const mail = 'From: a@live.example\r\nTo: b@d.example\r\n\r\nHi\r\n'
  const asMail = { 'content-type': 'message/rfc822' }
  const envelope = '?from=a@live.example&to=b@d.example'
  const json = (changes: object): object => ({
    from: 'a@live.example',
    to: ['b@d.example'],
    raw: Buffer.from(mail).toString('base64'),
    ...changes,
  })
  const rows: [
    why: string,
    url: string,
    body: unknown,
    headers: Record<string, string>,
    status: number,
    code: string,
  ][] = [
    ['no sender', '?to=b@d.example', mail, asMail, 400, 'SENDER_INVALID'],
    ['no recipient', '?from=a@live.example', mail, asMail, 400, 'RECIPIENTS_MISSING'],
    ['a bad sender', '?from=a&to=b@d.example', mail, asMail, 400, 'SENDER_INVALID'],
    ['a bad recipient', '?from=a@live.example&to=b', mail, asMail, 400, 'ADDRESS_INVALID'],
    ['an unknown parameter', `${envelope}&cc=x@d.example`, mail, asMail, 400, 'FIELD_UNKNOWN'],
    ['no message', envelope, '', asMail, 400, 'SENDER_INVALID'],
    ['no From', envelope, 'Subject: x\r\n\r\nHi\r\n', asMail, 400, 'SENDER_INVALID'],
    ['not a message', envelope, '\0\0\0', asMail, 400, 'MESSAGE_INVALID'],
    ['bad base64', '', json({ raw: '!!' }), {}, 400, 'MESSAGE_INVALID'],
    ['no recipients in JSON', '', json({ to: [] }), {}, 400, 'BODY_INVALID'],
    ['an envelope twice', envelope, json({}), {}, 400, 'BODY_INVALID'],
    ['a string instead of a list', '', json({ to: 'b@d.example' }), {}, 400, 'BODY_INVALID'],
    [
      'too many recipients',
      '',
      json({ to: Array.from({ length: 21 }, (_, i) => `u${i}@d.example`) }),
      {},
      400,
      'RECIPIENTS_TOO_MANY',
    ],
  ]
  test.each(rows)('%s', async (_why, query, body, headers, status, code) => {
    const answer = await world.post(`/v1/messages/raw${query}`, body, headers)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })
})
