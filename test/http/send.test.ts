import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aMessage, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

interface AcceptedBody {
  id: string
  deliveries: { id: string; to: string; state: string }[]
}
interface MessageBody {
  from: string
  envelopeFrom: string
  subject: string
  tags: string[]
  metadata: Record<string, string>
  stream: string
  sandbox: boolean
  sendAt?: string
  recipients: number
  via: string
  deliveries: {
    id: string
    to: string
    state: string
    reason: string
    nextAttemptAt?: string
    attempts: unknown[]
    events: { type: string; at: string }[]
  }[]
  nextDeliveriesAfter: string | null
}

const contentOf = async (id: string): Promise<string> =>
  (await world.get(`/v1/messages/${id}/content`)).body

describe('one message', () => {
  test('is accepted, and found again with all that is known', async () => {
    const sent = await world.post(
      '/v1/messages',
      aMessage({
        to: ['Ada <ada@dest.example>', { email: 'bob@dest.example', name: 'Bob "B" Bee' }],
        cc: { email: 'cc@dest.example' },
        bcc: 'bcc@dest.example',
        replyTo: ['help@live.example'],
        html: '<p>Hello</p>',
        headers: { 'X-Order': '4711' },
        tags: ['receipt', 'receipt', 'x'],
        metadata: { order: '4711' },
        stream: 'bulk',
      }),
    )
    expect(sent.statusCode).toBe(202)
    const accepted = sent.json<AcceptedBody>()
    expect(sent.headers['location']).toBe(`/v1/messages/${accepted.id}`)
    expect(accepted.deliveries.map(({ to, state }) => [to, state])).toEqual([
      ['ada@dest.example', 'queued'],
      ['bob@dest.example', 'queued'],
      ['cc@dest.example', 'queued'],
      ['bcc@dest.example', 'queued'],
    ])

    const message = (await world.get(`/v1/messages/${accepted.id}`)).json<MessageBody>()
    expect(message).toMatchObject({
      from: 'orders@live.example',
      envelopeFrom: 'orders@live.example',
      subject: 'Hi',
      tags: ['receipt', 'x'],
      metadata: { order: '4711' },
      stream: 'bulk',
      sandbox: false,
      via: 'api',
      recipients: 4,
      nextDeliveriesAfter: null,
    })
    expect(message.deliveries[0]).toMatchObject({ reason: 'accepted', attempts: [] })
    expect(message.deliveries[0]?.events.map(({ type }) => type)).toEqual(['accepted'])

    const content = await contentOf(accepted.id)
    expect(content).toContain('To: Ada <ada@dest.example>')
    expect(content).toContain('X-Order: 4711')
    expect(content).not.toContain('bcc@')
  })

  test('from a domain that is not verified is caught by the sandbox and can be looked at', async () => {
    const sent = await world.post('/v1/messages', aMessage({ from: 'me@elsewhere.example' }))
    const { id, deliveries } = sent.json<AcceptedBody>()
    expect(deliveries[0]?.state).toBe('delivered')
    const message = (await world.get(`/v1/messages/${id}`)).json<MessageBody>()
    expect(message.sandbox).toBe(true)
    expect(message.deliveries[0]?.reason).toBe('sandbox')
    expect(await contentOf(id)).toContain('Hello.')
  })

  test('by a test key is caught by the sandbox, verified or not', async () => {
    const { secret } = await world.newKey(world.tenant, ['messages:send'], 'test')
    const sent = await world.post('/v1/messages', aMessage(), { authorization: `Bearer ${secret}` })
    expect(sent.json<AcceptedBody>().deliveries[0]?.state).toBe('delivered')
  })

  test('with attachments and an inline image carries their bytes', async () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex')
    const sent = await world.post(
      '/v1/messages',
      aMessage({
        html: '<img src="cid:logo">',
        attachments: [
          {
            filename: 'logo.png',
            contentType: 'image/png',
            content: png.toString('base64'),
            contentId: 'logo',
          },
          { filename: 'a.pdf', contentType: 'application/pdf', content: 'JVBERi0x\nLjQK' },
        ],
      }),
    )
    expect(sent.statusCode).toBe(202)
    const content = await contentOf(sent.json<AcceptedBody>().id)
    expect(content).toContain('Content-ID: <logo>')
    expect(content).toMatch(/Content-Disposition: inline; filename=logo.png/)
    expect(content).toContain(png.toString('base64'))
    expect(content).toContain('JVBERi0xLjQK')
  })

  test.each([
    ['a subject', { subject: 'Hi\r\nBcc: evil@d.example' }],
    ['a display name', { to: '"A\r\nBcc: evil@d.example" <a@d.example>' }],
    [
      'a file name',
      {
        attachments: [
          { filename: 'a\r\nBcc: evil@d.example', contentType: 'text/plain', content: '' },
        ],
      },
    ],
  ])('a line break in %s starts no header field', async (_where, changes) => {
    const sent = await world.post('/v1/messages', aMessage(changes))
    if (sent.statusCode === 400) return
    expect(await contentOf(sent.json<AcceptedBody>().id)).not.toMatch(/^Bcc:/m)
  })

  test('with sendAt waits until then, and can be cancelled once', async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString()
    const sent = await world.post(
      '/v1/messages',
      aMessage({ sendAt, to: ['a@d.example', 'b@d.example'] }),
    )
    const { id } = sent.json<AcceptedBody>()
    const message = (await world.get(`/v1/messages/${id}`)).json<MessageBody>()
    expect(message.sendAt).toBe(sendAt)
    expect(message.deliveries[0]).toMatchObject({ reason: 'scheduled', nextAttemptAt: sendAt })

    const cancel = (): Promise<{ cancelled: number }> =>
      world.post(`/v1/messages/${id}/cancel`, {}).then((r) => r.json())
    expect(await cancel()).toEqual({ id, cancelled: 2 })
    expect(await cancel()).toEqual({ id, cancelled: 0 })
    const after = (await world.get(`/v1/messages/${id}`)).json<MessageBody>()
    expect(after.deliveries.map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
  })

  test('a cancel needs no body at all', async () => {
    const { id } = (await world.post('/v1/messages', aMessage())).json<AcceptedBody>()
    const response = await world.app.inject({
      method: 'POST',
      url: `/v1/messages/${id}/cancel`,
      headers: { authorization: `Bearer ${world.key}` },
    })
    expect(response.json()).toEqual({ id, cancelled: 1 })
  })

  test('content comes as a download that no browser renders', async () => {
    const { id } = (await world.post('/v1/messages', aMessage())).json<AcceptedBody>()
    const { headers } = await world.get(`/v1/messages/${id}/content`)
    expect(headers).toMatchObject({
      'content-type': 'message/rfc822',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': `attachment; filename="${id}.eml"`,
    })
  })

  test('a delivery is found on its own, with its message and why', async () => {
    const { id, deliveries } = (await world.post('/v1/messages', aMessage())).json<AcceptedBody>()
    const delivery = deliveries[0]!.id
    expect((await world.get(`/v1/deliveries/${delivery}`)).json()).toMatchObject({
      id: delivery,
      to: 'ada@dest.example',
      message: { id, subject: 'Hi' },
    })
    const why = (await world.get(`/v1/deliveries/${delivery}/explain`)).json<{
      nextTry: { at: string }
    }>()
    expect(why).toMatchObject({ delivery, message: id, state: 'queued', attempts: 0 })
    expect(why.nextTry.at).toMatch(/^\d{4}-.*Z$/)
  })
})

describe('a batch', () => {
  test('is accepted in order', async () => {
    const batch = Array.from({ length: 100 }, (_, i) => aMessage({ to: `u${i}@dest.example` }))
    const sent = await world.post('/v1/messages/batch', batch)
    expect(sent.statusCode).toBe(202)
    const { messages } = sent.json<{ messages: AcceptedBody[] }>()
    expect(messages.map(({ deliveries }) => deliveries[0]?.to)).toEqual(batch.map(({ to }) => to))
  })

  test('with one message at fault is refused as a whole, and the field is named', async () => {
    const before = await countMessages()
    const sent = await world.post('/v1/messages/batch', [
      aMessage(),
      aMessage({ to: ['x@d.example', 'bad'] }),
    ])
    expect(sent.statusCode).toBe(400)
    expect(sent.json()).toMatchObject({ code: 'ADDRESS_INVALID', fields: [{ path: '1/to/1' }] })
    expect(await countMessages()).toBe(before)
  })
})

describe('a complete message', () => {
  const raw = 'From: a@live.example\nTo: b@dest.example\nSubject: Raw\n\nHello\n'

  test('as message/rfc822 has its envelope in the query', async () => {
    const sent = await world.post(
      '/v1/messages/raw?from=bounce@live.example&to=x@dest.example&to=y@dest.example',
      raw,
      { 'content-type': 'message/rfc822' },
    )
    expect(sent.statusCode).toBe(202)
    const { id, deliveries } = sent.json<AcceptedBody>()
    expect(deliveries.map(({ to }) => to)).toEqual(['x@dest.example', 'y@dest.example'])
    const message = (await world.get(`/v1/messages/${id}`)).json<MessageBody>()
    expect(message).toMatchObject({ envelopeFrom: 'bounce@live.example', subject: 'Raw' })
    expect(await contentOf(id)).toContain('Subject: Raw\r\n')
  })

  test('as JSON carries everything in the body, the null sender too', async () => {
    const sent = await world.post('/v1/messages/raw', {
      from: '',
      to: ['x@dest.example'],
      raw: Buffer.from(raw).toString('base64'),
      tags: ['t'],
    })
    expect(sent.statusCode).toBe(202)
    const message = (
      await world.get(`/v1/messages/${sent.json<AcceptedBody>().id}`)
    ).json<MessageBody>()
    expect(message).toMatchObject({ envelopeFrom: '', tags: ['t'] })
  })
})

async function countMessages(): Promise<number> {
  const row = await world.store.across.read
    .selectFrom('messages')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return row.n
}
