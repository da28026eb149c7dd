/** Mail comes in by every way, goes out once, and its story can be read. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { leaves, readMime, shape, textOf } from '../support/mime-tree.ts'
import { openSessions } from '../support/open-sessions.ts'
import { rawMail, SENDER, until } from '../support/program.ts'
import type { AcceptedAnswer } from '../support/program.ts'

test('a message over REST is delivered, and its transcript, events and explanation say how', async () => {
  const world = await startTestApp()
  const accepted = await world.post('Ada <ok@ok.test>', {
    tags: ['receipt'],
    metadata: { order: '4711' },
  })
  expect(accepted.deliveries).toMatchObject([{ to: 'ok@ok.test', state: 'queued' }])
  const message = await world.reach(accepted.id, 'delivered')
  expect(message).toMatchObject({
    via: 'api',
    subject: 'Hello',
    tags: ['receipt'],
    metadata: { order: '4711' },
    sandbox: false,
  })
  const [delivery] = message.deliveries
  expect(delivery).toMatchObject({ state: 'delivered', reason: 'remote-accepted', code: 250 })
  expect(delivery!.attempts).toMatchObject([
    {
      number: 1,
      result: 'accepted',
      stage: 'body',
      enhanced: '2.0.0',
      host: 'mx.ok.test',
      ip: '127.0.0.1',
      verdict: { category: 'delivered', action: 'complete' },
    },
  ])
  const { transcript = '' } = delivery!.attempts[0]!
  expect(transcript).toMatch(
    /^! connected 127\.0\.0\.1:\d+ \(mx\.ok\.test\).*\n< 220 .*\n> EHLO mx\.posthorn\.test\n/,
  )
  expect(transcript).toContain('> MAIL FROM:<app@sender.test>')
  expect(transcript).toContain('> RCPT TO:<ok@ok.test>\n')
  expect(transcript).toMatch(/> \[[\d,]+ bytes\]\n< 250 2\.0\.0 taken as 1\.1\n$/)
  expect(delivery!.events.map(({ type }) => type)).toEqual(['accepted', 'delivered'])
  expect((await world.events()).map(({ type, to }) => [type, to])).toEqual([
    ['accepted', 'ok@ok.test'],
    ['delivered', 'ok@ok.test'],
  ])

  const { status, body } = await world.call('GET', `/v1/deliveries/${delivery!.id}/explain`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    state: 'delivered',
    attempts: 1,
    route: 'default',
    lane: {
      source: 'default',
      destination: 'site:mx.ok.test',
      limits: { connections: { value: 10, from: 'built-in default' } },
    },
    lastAttempt: { host: 'mx.ok.test', said: '250 2.0.0 taken as 1.1' },
  })
  expect(body).not.toHaveProperty('nextTry')
  expect(world.sink.violations).toEqual([])
})

test('each message of a batch and a raw message arrive once', async () => {
  const world = await startTestApp()
  const batch = [1, 2, 3].map((n) => ({
    from: `app@${SENDER}`,
    to: [`ok${n}@ok.test`],
    subject: `Number ${n}`,
    text: 'Hello.',
  }))
  const sent = await world.call<{ messages: AcceptedAnswer[] }>('POST', '/v1/messages/batch', batch)
  expect(sent.status).toBe(202)
  const raw = rawMail(['X-Kept: as it is'], 'Line one.\n.dotted\n')
  const one = await world.call<AcceptedAnswer>(
    'POST',
    `/v1/messages/raw?from=bounce@${SENDER}&to=ok4@ok.test`,
    Buffer.from(raw),
  )
  expect(one.status).toBe(202)
  for (const { id } of [...sent.body.messages, one.body]) await world.reach(id, 'delivered')
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo.join()).sort()).toEqual([
    'ok1@ok.test',
    'ok2@ok.test',
    'ok3@ok.test',
    'ok4@ok.test',
  ])
  const last = world.sink.messages.find(({ rcptTo }) => rcptTo[0] === 'ok4@ok.test')!
  expect(last.mailFrom).toBe(`bounce@${SENDER}`)
  expect(last.data.toString()).toContain('X-Kept: as it is\r\n')
  expect(last.data.toString()).toContain('\r\n\r\nLine one.\r\n.dotted\r\n')
  expect(world.sink.violations).toEqual([])
})

test('a message over SMTP with STARTTLS and AUTH is delivered to each of its recipients', async () => {
  const world = await startTestApp()
  const reply = await world.submit({ to: ['ok1@ok.test', 'ok2@b.ok.test'] })
  const id = /^250 2\.0\.0 queued as (msg_\w+)$/.exec(reply)![1]!
  const message = await world.reach(id, 'delivered')
  expect(message).toMatchObject({ via: 'smtp', envelopeFrom: `app@${SENDER}`, recipients: 2 })
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo)).toEqual(
    expect.arrayContaining([['ok1@ok.test'], ['ok2@b.ok.test']]),
  )
  expect(world.sink.messages[0]!.data.toString()).toMatch(
    /\r\nReceived: by mx\.posthorn\.test \(Posthorn\) with ESMTP;/,
  )
})

test('attachments and inline images come out as they went in, a large one through the spool', async () => {
  const world = await startTestApp()
  const image = Buffer.from('89504e470d0a1a0a', 'hex')
  const file = Buffer.alloc(400_000, 'posthorn ')
  const { id } = await world.post('ok@ok.test', {
    text: 'See.',
    html: '<img src="cid:logo">',
    attachments: [
      {
        filename: 'logo.png',
        contentType: 'image/png',
        content: image.toString('base64'),
        contentId: 'logo',
      },
      {
        filename: 'Straße.pdf',
        contentType: 'application/pdf',
        content: file.toString('base64'),
      },
    ],
  })
  await world.reach(id, 'delivered')
  const mime = readMime(world.sink.messages[0]!.data)
  expect(shape(mime)).toBe(
    'multipart/mixed(multipart/alternative(text/plain,multipart/related(text/html,image/png)),application/pdf)',
  )
  const [text, html, logo, bill] = leaves(mime)
  expect(textOf(text)).toBe('See.')
  expect(textOf(html)).toBe('<img src="cid:logo">')
  expect(logo!.content).toEqual(image)
  expect(logo!.headers.get('content-id')).toEqual(['<logo>'])
  expect(bill!.content.equals(file)).toBe(true)
  expect(world.app.store.reader.prepare('select count(*) as n from bodies').get()).toEqual({ n: 0 })
})

test('connections are kept and used again, up to the limit of messages for each', async () => {
  const sessions = openSessions()
  const world = await startTestApp({ sink: { replies: sessions.replies } })
  await world.egress.setLimits(SYSTEM_ACTOR, {
    scope: 'destination',
    key: 'site:mx.ok.test',
    limits: { connections: 2, messagesPerConnection: 10 },
    note: 'test',
  })
  const many = Array.from({ length: 60 }, (_, i) => `ok${i}@ok.test`)
  const { id } = await world.post(many)
  await world.reach(id, 'delivered')
  expect(sessions.most).toBe(2)
  expect(world.sink.connections).toBeGreaterThanOrEqual(6)
  expect(world.sink.connections).toBeLessThanOrEqual(8)
  const perSession = new Map<number, number>()
  for (const { session } of world.sink.messages)
    perSession.set(session, (perSession.get(session) ?? 0) + 1)
  expect(Math.max(...perSession.values())).toBe(10)
  await until(() => world.sink.counts.get('accepted') === 60, 'all to arrive')
})
