/** What the bytes look like on arrival: safe for any host, signed, and one copy's own. */
import { expect, test } from 'vitest'
import { readReturnPath } from '../../server/protocol/return-path.ts'
import { decodeId } from '../../server/core/ids.ts'
import { startTestApp } from '../support/app.ts'
import type { World } from '../support/app.ts'
import { verifyDkim } from '../support/dkim-verify.ts'
import { formFaults, leaves, readMime, textOf } from '../support/mime-tree.ts'
import { rawMail, SENDER } from '../support/program.ts'

const PLAIN_HOST = { capabilities: ['PIPELINING', 'SIZE 52428800'] }

const lookupOf = (world: World) => (name: string) =>
  world.domain.records.find((record) => record.name === name)?.value

test('both DKIM signatures verify, on mail from REST and from SMTP', async () => {
  const world = await startTestApp()
  const { id } = await world.post('ok1@ok.test', { subject: 'Grüße  aus   Köln', html: '<b>x</b>' })
  await world.reach(id, 'delivered')
  await world.submit({
    to: ['ok2@ok.test'],
    raw: rawMail(
      ['X-Odd:   spaced \t out ', 'Cc: a@ok.test,', ' b@ok.test'],
      '.dot\r\n\r\nend  \r\n\r\n',
    ),
  })
  await world.quiet()
  expect(world.sink.messages).toHaveLength(2)
  for (const { data } of world.sink.messages) {
    const results = verifyDkim(data, lookupOf(world))
    expect(results.map(({ algorithm, result }) => `${algorithm} ${result}`)).toEqual([
      'rsa-sha256 pass',
      'ed25519-sha256 pass',
    ])
    expect(results.every(({ domain }) => domain === SENDER)).toBe(true)
  }
})

test('8-bit mail arrives as 7-bit mail, with the same text, and signed', async () => {
  const world = await startTestApp({ sink: PLAIN_HOST })
  const raw = rawMail(
    [
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
    ],
    'Zwölf Boxkämpfer\r\n',
  )
  await world.submit({ to: ['ok@ok.test'], raw: Buffer.from(raw) })
  await world.quiet()
  const { data, parameters } = world.sink.messages[0]!
  // The two signatures are one field twice.
  expect(formFaults(data)).toEqual(['a field twice'])
  expect(parameters).not.toContain('8BITMIME')
  expect(textOf(leaves(readMime(data))[0])).toBe('Zwölf Boxkämpfer')
  expect(verifyDkim(data, lookupOf(world)).map(({ result }) => result)).toEqual(['pass', 'pass'])
})

test('an address that needs SMTPUTF8 bounces where the host does not offer it, and passes where it does', async () => {
  const plain = await startTestApp({ sink: PLAIN_HOST })
  const { id } = await plain.post(['jürgen@ok.test', 'ok@ok.test'])
  const { deliveries } = await plain.reach(id, 'bounced', 'delivered')
  expect(deliveries[0]).toMatchObject({
    state: 'bounced',
    reason: 'needs-smtputf8',
    attempts: [{ fault: 'needs-smtputf8', stage: 'mail' }],
  })
  const able = await startTestApp()
  const accepted = await able.post('jürgen@ok.test')
  await able.reach(accepted.id, 'delivered')
  expect(able.sink.messages[0]).toMatchObject({ rcptTo: ['jürgen@ok.test'] })
  expect(able.sink.messages[0]!.parameters).toContain('SMTPUTF8')
})

test('an ASCII recipient is held back by a UTF-8 header, but not by the address of another recipient', async () => {
  const world = await startTestApp({ sink: PLAIN_HOST })
  const states = async (more: object): Promise<string[]> => {
    const { id } = await world.post('ok@ok.test', { ...more })
    const { deliveries } = await world.reach(id, 'bounced', 'delivered')
    return deliveries.map(({ state }) => state)
  }
  expect(await states({ bcc: 'jürgen@ok.test' })).toEqual(['delivered', 'bounced'])
  expect(await states({ cc: 'jürgen@ok.test' })).toEqual(['bounced', 'bounced'])
  expect(await states({ replyTo: 'jürgen@ok.test' })).toEqual(['bounced'])
  // A name is no address: it is encoded.
  expect(await states({ cc: 'Jürgen <j@ok.test>' })).toEqual(['delivered', 'delivered'])
})

test('with a return path domain, each delivery leaves with a signed return path of its own', async () => {
  const world = await startTestApp({ config: { delivery: { returnPathDomain: 'bounce.test' } } })
  const { id } = await world.post(['ok1@ok.test', 'ok2@ok.test'])
  const { deliveries } = await world.reach(id, 'delivered')
  const key = world.app.masterKey.derive('return-path')
  for (const { mailFrom, rcptTo } of world.sink.messages) {
    const [local, domain] = mailFrom.split('@')
    expect(domain).toBe('bounce.test')
    const read = readReturnPath(local!, new Map([['1', key]]), world.clock.now())
    const delivery = deliveries.find(({ to }) => to === rcptTo[0])!
    expect(read).toMatchObject({ ok: true, delivery: decodeId('delivery', delivery.id) })
  }
  expect(new Set(world.sink.messages.map(({ mailFrom }) => mailFrom)).size).toBe(2)
  // A notice has no sender to return to.
  await world.submit({ from: '', to: ['ok3@ok.test'] })
  await world.quiet()
  expect(world.sink.messages.at(-1)!.mailFrom).toBe('')
})

const idsOf = (world: World): (string | undefined)[] =>
  world.sink.messages.map(({ data }) => readMime(data).headers.get('message-id')?.[0])

test('copies of a bulk message have Message-IDs of their own, signed; transactional ones share theirs', async () => {
  const world = await startTestApp()
  const to = Array.from({ length: 5 }, (_, i) => `ok${i}@ok.test`)
  const bulk = await world.post(to, { stream: 'bulk' })
  await world.reach(bulk.id, 'delivered')
  expect(new Set(idsOf(world)).size).toBe(5)
  for (const { data } of world.sink.messages)
    expect(verifyDkim(data, lookupOf(world)).map(({ result }) => result)).toEqual(['pass', 'pass'])
  const known = world.sink.messages.length
  const transactional = await world.post(to)
  const { messageIdHeader } = await world.reach(transactional.id, 'delivered')
  expect(new Set(idsOf(world).slice(known))).toEqual(new Set([`<${messageIdHeader}>`]))
  expect(messageIdHeader.endsWith(`@${SENDER}`)).toBe(true)
})
