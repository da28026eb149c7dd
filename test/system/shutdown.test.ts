/** Programs end, stall and come back: what was accepted is neither lost nor done twice without saying so. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeBackups } from '../../server/services/backup/backups.ts'
import { readBackupFile } from '../../server/services/backup/folder-target.ts'
import { restoreBackup } from '../../server/services/backup/restore.ts'
import { openDatabase } from '../../server/store/hot/database.ts'
import { databaseFile } from '../../server/store/open.ts'
import { startTestApp } from '../support/app.ts'
import { verifyDkim } from '../support/dkim-verify.ts'
import { leapClock } from '../support/leap-clock.ts'
import { rawMail, SENDER, until } from '../support/program.ts'
import { smtpClient } from '../support/raw-client.ts'

test('a graceful end finishes what is under way, keeps the rest, and doubles nothing', async () => {
  const world = await startTestApp()
  await world.egress.setLimits(SYSTEM_ACTOR, {
    scope: 'destination',
    key: 'site:mx.ok.test',
    limits: { connections: 3 },
    note: undefined,
  })
  const client = await smtpClient(world.app.addresses().submission[0]!.port)
  await client.reply()
  await client.say('EHLO test')
  await client.say('STARTTLS')
  const session = await client.secure()
  await session.say('EHLO test')
  const plain = Buffer.from(`\0${world.login.user}\0${world.login.password}`).toString('base64')
  await session.say(`AUTH PLAIN ${plain}`)
  await session.say(`MAIL FROM:<app@${SENDER}>`)
  await session.say('RCPT TO:<ok@ok.test>')
  await session.say('DATA')

  await world.post(Array.from({ length: 40 }, (_, i) => `slow-80+${i}@ok.test`))
  await until(() => world.sink.messages.length > 2, 'deliveries to be under way')
  const closing = world.close()
  session.raw(`${rawMail()}.\r\n`)
  expect(await session.reply()).toMatch(/^250 2\.0\.0 queued as msg_/)
  expect(await session.untilClosed()).toMatch(/^(421 4\.3\.2 .*)?$/s)
  await closing

  const states = (): Record<string, number> => {
    const db = openDatabase({ file: databaseFile(world.dataDir), readonly: true })
    const counts = Object.fromEntries(
      db
        .prepare<[], { state: string; n: number }>(
          'select state, count(*) as n from deliveries group by state',
        )
        .all()
        .map(({ state, n }) => [state, n]),
    )
    db.close()
    return counts
  }
  expect(states()).not.toHaveProperty('leased')
  await world.join()
  await until(
    () => states()['delivered'] === 41,
    'all to be delivered',
    () => JSON.stringify(states()),
  )
  expect(world.sink.messages).toHaveLength(41)
  expect(new Set(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).size).toBe(41)
  expect(world.sink.violations).toEqual([])
})

test('a program that ends takes nothing in any more', async () => {
  const world = await startTestApp()
  const { id } = await world.post('slow-300@ok.test')
  const open = world.app.addresses()
  await until(() => world.sink.connections > 0, 'the delivery to be under way')
  const closing = world.close()
  // The listeners are gone at once, the delivery under way is finished.
  await expect(smtpClient(open.submission[0]!.port)).rejects.toThrow()
  await expect(fetch(`${open.http!}/healthz`)).rejects.toThrow()
  expect(world.sink.messages).toHaveLength(0)
  await closing
  expect(world.sink.messages).toHaveLength(1)
  const next = await world.join()
  await next.reach(id, 'delivered')
})

test('a worker that stalls loses its lane: its deliveries are in doubt, told as such, and sent again once', async () => {
  const stalled = leapClock()
  const world = await startTestApp({ clock: stalled })
  const { id } = await world.post('slow-700@ok.test')
  await until(() => world.sink.connections === 1, 'the first attempt')
  await new Promise((resolve) => setTimeout(resolve, 50))
  // For the other worker more than the lease's time has passed: the first must be gone.
  const later = leapClock(stalled.now() + 40_000)
  const other = await world.join({ clock: later, config: { roles: ['worker'] } })
  await other.app.reconciler.runOnce()
  await until(() => world.sink.messages.length === 2, 'both attempts to end')
  const { deliveries, messageIdHeader } = await world.reach(id, 'delivered')
  expect(deliveries[0]!.attempts).toMatchObject([
    { number: 1, result: 'in-doubt' },
    { number: 2, result: 'accepted' },
  ])
  expect(deliveries[0]!.events.map(({ type, data }) => [type, data])).toEqual([
    ['accepted', undefined],
    ['deferred', { inDoubt: true }],
    ['delivered', undefined],
  ])
  const told = world.log.lines.filter(({ message }) => message.includes('in doubt'))
  expect(told.map(({ fields }) => fields['delivery'])).toEqual([deliveries[0]!.id])
  for (const { data } of world.sink.messages)
    expect(data.toString()).toContain(`Message-ID: <${messageIdHeader}>`)
  // The stalled one wakes up, finds that it lost the lane, and the lane works on.
  const next = await world.post('ok@ok.test')
  await other.app.reconciler.runOnce()
  await world.reach(next.id, 'delivered')
  expect(world.sink.messages).toHaveLength(3)
})

test('a backup made while mail flows is restored whole: mail, logins and keys', async () => {
  const world = await startTestApp()
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-backup-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const large = Buffer.alloc(500_000, 'posthorn ').toString('base64')
  const sendAt = new Date(world.clock.now() + 3_600_000).toISOString()
  const waiting = await world.post('ok1@ok.test', { sendAt })
  const spooled = await world.post('ok2@ok.test', {
    sendAt,
    attachments: [{ filename: 'a.bin', contentType: 'application/octet-stream', content: large }],
  })
  const done = await world.post('ok3@ok.test')
  await world.reach(done.id, 'delivered')
  const flow = Promise.all(Array.from({ length: 20 }, (_, i) => world.post(`ok${i}@b.ok.test`)))
  const { clock, random, log } = world.app.ports
  const backups = makeBackups({
    store: world.app.store,
    masterKey: world.app.masterKey,
    clock,
    random,
    log,
    program: '1.2.3',
    settings: {
      target: { kind: 'folder', folder },
      keep: {},
      workFolder: join(folder, 'work'),
      minFreeBytes: 0,
    },
  })
  const made = await backups.create(SYSTEM_ACTOR)
  await flow
  expect(made).toMatchObject({ error: undefined, isThere: true })
  const lost = await world.post('ok4@ok.test')
  await world.quiet()
  await world.close()

  const dataDir = join(folder, 'restored')
  await restoreBackup(readBackupFile(join(folder, made.name)), {
    dataDir,
    recoveryKey: world.app.masterKey.derive('backup'),
    replace: false,
    now: clock.now(),
  })
  const restored = await world.join({ dataDir })
  expect((await restored.message(done.id)).deliveries[0]!.state).toBe('delivered')
  const gone = await restored.call('GET', `/v1/messages/${lost.id}`)
  expect(gone.status).toBe(404)
  // The key and the login that were made before work there.
  const headers = { authorization: `Bearer ${world.key}` }
  expect((await restored.call('GET', '/v1/messages', undefined, headers)).status).toBe(200)
  await restored.submit({
    to: ['ok5@ok.test'],
    user: world.login.user,
    password: world.login.password,
  })
  const before = world.sink.messages.length
  world.clock.leap(3_600_000)
  await restored.reach(waiting.id, 'delivered')
  await restored.reach(spooled.id, 'delivered')
  const sent = world.sink.messages.slice(before)
  expect(sent.length).toBeGreaterThanOrEqual(2)
  for (const { data } of sent) {
    const lookup = (name: string): string | undefined =>
      world.domain.records.find((record) => record.name === name)?.value
    expect(verifyDkim(data, lookup).map(({ result }) => result)).toEqual(['pass', 'pass'])
  }
})
