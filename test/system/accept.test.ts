/** What is taken in, from whom, and what is taken in but never sent. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { startTestApp } from '../support/app.ts'
import { rawMail, SENDER, until } from '../support/program.ts'
import type { AcceptedAnswer } from '../support/program.ts'
import { smtpClient } from '../support/raw-client.ts'

test('a suppressed address is kept apart and never dialled; the others of the message are', async () => {
  const world = await startTestApp()
  const { writer, build } = world.app.store
  const query = build
    .insertInto('suppressions')
    .values({
      id: 1,
      tenant_id: world.tenant,
      address: 'gone@ok.test',
      reason: 'bounced',
      note: null,
      created_at: world.clock.now(),
    })
    .compile()
  await writer.write([{ query }], { unaudited: 'test' })
  const accepted = await world.post(['Gone@ok.test', 'ok@ok.test'])
  expect(accepted.deliveries.map(({ state }) => state)).toEqual(['suppressed', 'queued'])
  const { deliveries } = await world.reach(accepted.id, 'suppressed', 'delivered')
  expect(deliveries[0]).toMatchObject({ reason: 'suppressed-recipient', attempts: [] })
  expect(deliveries[0]!.events.map(({ type }) => type)).toEqual(['accepted', 'suppressed'])
  await world.quiet()
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo)).toEqual([['ok@ok.test']])
})

test('mail from a domain that is not verified goes to the sandbox, where it can be read', async () => {
  const world = await startTestApp()
  const accepted = await world.post(['ok@ok.test', 'bounce-550@ok.test'], {
    from: 'me@unverified.test',
    text: 'Only for you.',
  })
  const { sandbox, deliveries } = await world.message(accepted.id)
  expect(sandbox).toBe(true)
  expect(deliveries.map(({ state, reason }) => [state, reason])).toEqual([
    ['delivered', 'sandbox'],
    ['delivered', 'sandbox'],
  ])
  const content = await world.call<{ text: string }>('GET', `/v1/messages/${accepted.id}/content`)
  expect(content.headers.get('content-type')).toBe('message/rfc822')
  expect(content.body.text).toMatch(/^From: me@unverified\.test\r$/m)
  expect(content.body.text).toContain('Only for you.')
  // Verified, the next one goes out.
  await world.domains.add(SYSTEM_ACTOR, world.tenant, 'unverified.test', true)
  const real = await world.post('ok@ok.test', { from: 'me@unverified.test' })
  await world.reach(real.id, 'delivered')
  expect(world.sink.connections).toBe(1)
  expect(world.sink.messages).toHaveLength(1)
})

test('a test key and a test login send to the sandbox, also from a verified domain', async () => {
  const world = await startTestApp()
  const scopes = ['messages:send']
  const { secret } = await world.access.keys.create(SYSTEM_ACTOR, world.tenant, {
    grant: OPERATOR_GRANT,
    name: 'try',
    scopes,
    mode: 'test',
  })
  const mail = { from: `app@${SENDER}`, to: 'ok@ok.test', subject: 'x', text: 'x' }
  const headers = { authorization: `Bearer ${secret}` }
  const sent = await world.call<AcceptedAnswer>('POST', '/v1/messages', mail, headers)
  expect(sent.status).toBe(202)
  expect((await world.message(sent.body.id)).sandbox).toBe(true)

  const { password } = await world.access.credentials.create(SYSTEM_ACTOR, world.tenant, {
    grant: OPERATOR_GRANT,
    username: 'try',
    mode: 'test',
  })
  const reply = await world.submit({ to: ['ok@ok.test'], user: 'try', password })
  expect((await world.message(/msg_\w+/.exec(reply)![0])).sandbox).toBe(true)
  expect(world.sink.connections).toBe(0)
})

test('the same idempotency key does one thing once, over REST and over SMTP', async () => {
  const world = await startTestApp()
  const mail = { from: `app@${SENDER}`, to: 'ok@ok.test', subject: 'Once', text: 'x' }
  const key = { 'idempotency-key': 'order-4711' }
  const post = (body: object) => world.call<AcceptedAnswer>('POST', '/v1/messages', body, key)
  const answers = await Promise.all([post(mail), post(mail), post(mail)])
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
  expect(
    answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true'),
  ).toHaveLength(2)
  const other = await post({ ...mail, subject: 'Something else' })
  expect([other.status, other.body]).toMatchObject([409, { code: 'IDEMPOTENCY_KEY_REUSED' }])

  const raw = rawMail(['X-Posthorn-Idempotency-Key: order-4712'])
  const first = await world.submit({ to: ['ok2@ok.test'], raw })
  expect(await world.submit({ to: ['ok2@ok.test'], raw })).toBe(first)
  await expect(world.submit({ to: ['ok3@ok.test'], raw })).rejects.toMatchObject({
    responseCode: 554,
  })
  await world.quiet()
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo[0]).sort()).toEqual([
    'ok2@ok.test',
    'ok@ok.test',
  ])
})

test('a client of a trusted network needs no AUTH; one of another listener does', async () => {
  const trusted = { listen: '127.0.0.1:0', tls: 'none', trustedNetworks: ['127.0.0.0/8'] }
  const open = await startTestApp({ config: { submission: { listeners: [trusted] } } })
  const reply = await open.submit({ to: ['ok@ok.test'], auth: false })
  await open.reach(/msg_\w+/.exec(reply)![0], 'delivered')
  const closed = await startTestApp()
  await expect(closed.submit({ to: ['ok@ok.test'], auth: false })).rejects.toMatchObject({
    responseCode: 530,
  })
})

test('a login revoked in mid-session gets nothing in any more, and a revoked key gets 401', async () => {
  const world = await startTestApp()
  const { credential, password } = await world.access.credentials.create(
    SYSTEM_ACTOR,
    world.tenant,
    {
      grant: OPERATOR_GRANT,
      username: 'soon-gone',
    },
  )
  const client = await smtpClient(world.app.addresses().submission[0]!.port)
  await client.reply()
  await client.say('EHLO test')
  await client.say('STARTTLS')
  const safe = await client.secure()
  await safe.say('EHLO test')
  const plain = Buffer.from(`\0soon-gone\0${password}`).toString('base64')
  expect(await safe.say(`AUTH PLAIN ${plain}`)).toMatch(/^235/)
  const send = async (): Promise<string> => {
    const mail = await safe.say(`MAIL FROM:<app@${SENDER}>`)
    if (!mail.startsWith('250')) return mail
    await safe.say('RCPT TO:<ok@ok.test>')
    await safe.say('DATA')
    safe.raw(`${rawMail()}.\r\n`)
    return safe.reply()
  }
  expect(await send()).toMatch(/^250/)
  await world.access.credentials.revoke(SYSTEM_ACTOR, world.tenant, credential.id)
  expect(await send()).toMatch(/^421 4\.7\.0 .*revoked/)
  await safe.untilClosed()

  const { key, secret } = await world.access.keys.create(SYSTEM_ACTOR, world.tenant, {
    grant: OPERATOR_GRANT,
    name: 'gone',
    scopes: ['messages:read'],
    mode: 'live',
  })
  const headers = { authorization: `Bearer ${secret}` }
  expect((await world.call('GET', '/v1/messages', undefined, headers)).status).toBe(200)
  await world.access.keys.revoke(SYSTEM_ACTOR, world.tenant, key.id)
  const after = await world.call('GET', '/v1/messages', undefined, headers)
  expect([after.status, after.body]).toMatchObject([401, { code: 'AUTH_REVOKED' }])
  await world.quiet()
  expect(world.sink.messages).toHaveLength(1)
})

test('a login bound to a network is refused elsewhere like a wrong one, and a rotated one ends its sessions', async () => {
  const world = await startTestApp()
  const { credentials } = world.access
  const { credential, password } = await credentials.create(SYSTEM_ACTOR, world.tenant, {
    grant: OPERATOR_GRANT,
    username: 'bound',
    networks: ['192.0.2.0/24'],
  })
  const mail = { to: ['ok@ok.test'], user: 'bound' }
  const refusal = (secret: string): Promise<unknown> =>
    world.submit({ ...mail, password: secret }).catch((error: unknown) => error)
  const wrong = (await refusal('wrong')) as { response: string }
  expect(await refusal(password)).toMatchObject({ responseCode: 535, response: wrong.response })
  const change = { networks: ['127.0.0.0/8'] }
  await credentials.change(SYSTEM_ACTOR, world.tenant, credential.id, change)
  await world.submit({ ...mail, password })
  const next = await credentials.rotate(SYSTEM_ACTOR, world.tenant, credential.id, {
    overlapMs: 60_000,
    grant: OPERATOR_GRANT,
  })
  for (const good of [password, next.password]) await world.submit({ ...mail, password: good })
  world.clock.leap(60_000)
  expect(await refusal(password)).toMatchObject({ responseCode: 535 })
  await world.submit({ ...mail, password: next.password })
})

test('a change in one process is in force in another within seconds', async () => {
  const world = await startTestApp()
  const other = await world.join({ config: { roles: ['submission'] } })
  const { credential, password } = await world.access.credentials.create(
    SYSTEM_ACTOR,
    world.tenant,
    {
      grant: OPERATOR_GRANT,
      username: 'elsewhere',
    },
  )
  const mail = { to: ['ok@ok.test'], user: 'elsewhere', password }
  const works = (): Promise<boolean> =>
    other.submit(mail).then(
      () => true,
      () => false,
    )
  await until(() => other.app.catalog.current.credentials.has('elsewhere'), 'the login to be known')
  expect(await works()).toBe(true)
  await world.access.credentials.revoke(SYSTEM_ACTOR, world.tenant, credential.id)
  await until(async () => !(await works()), 'the login to be refused')
})

test('a login over its quota waits for the next hour', async () => {
  const world = await startTestApp()
  const { password } = await world.access.credentials.create(SYSTEM_ACTOR, world.tenant, {
    grant: OPERATOR_GRANT,
    username: 'few',
    limits: { messagesPerHour: 2, recipientsPerHour: 4 },
  })
  const mail = { user: 'few', password }
  await world.submit({ ...mail, to: ['ok1@ok.test'] })
  await expect(
    world.submit({ ...mail, to: ['ok2@ok.test', 'ok3@ok.test', 'ok4@ok.test', 'ok5@ok.test'] }),
  ).rejects.toMatchObject({ responseCode: 450 })
  await world.submit({ ...mail, to: ['ok2@ok.test'] })
  await expect(world.submit({ ...mail, to: ['ok3@ok.test'] })).rejects.toMatchObject({
    responseCode: 450,
    response: expect.stringMatching(
      /^450 4\.7\.1 .*budget for this hour.* Try again in \d+ s/,
    ) as string,
  })
  // Others are not held up by it.
  await world.submit({ to: ['ok4@ok.test'] })
  await world.quiet()
  world.clock.leap(3_600_000)
  await world.submit({ ...mail, to: ['ok5@ok.test'] })
  await world.quiet()
  expect(world.sink.messages).toHaveLength(4)
})
