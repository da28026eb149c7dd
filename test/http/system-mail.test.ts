/** Mails of the installation itself: who sends them, what never gets into them, and that they hold nothing up. */
import { describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { setDomainVerified } from '../../server/store/domains.ts'
import {
  cleanLine,
  emailChangeText,
  invitationText,
  noticeText,
  releaseText,
  resetText,
  setupText,
} from '../../server/services/system-mail-texts.ts'
import type { MailText, NoticeKind } from '../../server/services/system-mail-texts.ts'
import { formFaults } from '../support/mime-tree.ts'
import { openPeopleWorld } from './people-support.ts'

const HOSTILE = 'x\r\nBcc: thief@evil.test\r\n\r\n<b>Pay here</b>\u2028\u0000\u202e\u001b[31m'
const link = { url: 'https://mail.test/link#token=abc', expiresAt: Date.UTC(2026, 5, 2) }
const request = { at: Date.UTC(2026, 5, 1), ip: HOSTILE, place: HOSTILE, device: HOSTILE }

const TEXTS: readonly [name: string, text: MailText][] = [
  ['invitation', invitationText({ ...link, tenant: HOSTILE, role: HOSTILE, invitedBy: HOSTILE })],
  ['setup', setupText(link)],
  ['reset', resetText({ ...link, request })],
  ['email-change', emailChangeText(link)],
  ['release', releaseText({ ...link, request })],
  ...(
    [
      'password-changed',
      'second-factor-changed',
      'second-factor-reset',
      'new-sign-in',
      'email-change-asked',
      'email-changed',
    ] as const satisfies readonly NoticeKind[]
  ).map((kind): [string, MailText] => [kind, noticeText(kind, request)]),
]

describe('a text', () => {
  test.each(TEXTS)(
    '%s is short, and nothing from outside breaks its lines',
    (_, { subject, text }) => {
      expect(subject).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
      expect(subject.length).toBeLessThan(250)
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
      expect(text.split('\n').filter((line) => line.startsWith('Bcc'))).toEqual([])
      expect(text.length).toBeLessThan(1500)
    },
  )

  test.each([
    ['a\r\nb', 'a b', 'a line break'],
    ['\u202eevil', 'evil', 'a mark that turns text around'],
    ['x'.repeat(300), 'x'.repeat(200), 'too much'],
  ])('%j becomes %j (%s)', (value, expected) => {
    expect(cleanLine(value)).toBe(expected)
  })
})

describe('a mail', () => {
  test.each(TEXTS)('%s cannot grow a header or a recipient', async (_, text) => {
    const world = await openPeopleWorld()
    expect(await world.mail.send({ to: 'b@x.test', ...text })).toBe('mailed')
    const [mail] = await world.mails()
    const header = mail!.raw.slice(0, mail!.raw.indexOf('\r\n\r\n'))
    expect(header).not.toMatch(/^Bcc/im)
    expect(header).toContain('From: Posthorn <posthorn@live.example>')
    expect(header).toMatch(/^Auto-Submitted: auto-generated/m)
    expect(formFaults(Buffer.from(mail!.raw))).toEqual([])
    expect(world.all('select recipient from deliveries')).toEqual([{ recipient: 'b@x.test' }])
  })

  test('goes out as the first tenant, as transactional, with a tag, and not to the sandbox', async () => {
    const world = await openPeopleWorld()
    await world.mail.send({ to: 'b@x.test', ...setupText(link) })
    expect(world.all('select tenant_id, stream, tags, sandbox from messages')).toEqual([
      {
        tenant_id: world.tenant,
        stream: 'transactional',
        tags: '["posthorn-system","setup"]',
        sandbox: 0,
      },
    ])
  })

  test('without a sender is not sent, and that is said once', async () => {
    const world = await openPeopleWorld({ mail: false })
    for (let i = 0; i < 3; i++)
      expect(await world.mail.send({ to: 'b@x.test', ...setupText(link) })).toBe('unavailable')
    expect(world.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(await world.mails()).toEqual([])
  })

  test('waits for its domain to be verified, and for its tenant to be live', async () => {
    const world = await openPeopleWorld()
    expect(world.mail.isAvailable()).toBe(true)
    const domain = { tenant: world.tenant, name: 'live.example', at: undefined }
    await setDomainVerified(world.store, domain, { unaudited: 'test' })
    await world.catalog.refresh()
    expect(world.mail.isAvailable()).toBe(false)
    await setDomainVerified(world.store, { ...domain, at: 1 }, { unaudited: 'test' })
    await world.catalog.refresh()
    expect(world.mail.isAvailable()).toBe(true)
    await world.tenants.change(SYSTEM_ACTOR, world.tenant, { disabled: true })
    expect(world.mail.isAvailable()).toBe(false)
  })

  test('to what is no address is not sent, and fails nothing', async () => {
    const world = await openPeopleWorld()
    expect(await world.mail.send({ to: 'nobody', ...setupText(link) })).toBe('unavailable')
  })
})
