/** What is kept, when the next one is due, the code on paper, and room on the disk: decisions by tables. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { parseBackupSchedule } from '../../../server/config/backup-schedule.ts'
import { toDelete } from '../../../server/services/backup/keep.ts'
import type { KeepPolicy } from '../../../server/services/backup/keep.ts'
import {
  formatRecoveryKey,
  parseRecoveryKey,
} from '../../../server/services/backup/recovery-key.ts'
import { lackOfRoom } from '../../../server/services/backup/room.ts'
import type { RoomFacts } from '../../../server/services/backup/room.ts'
import { nextBackup, RETRY_MS } from '../../../server/services/backup/schedule.ts'
import type { LastRuns } from '../../../server/services/backup/schedule.ts'
import { backupName, backupTime } from '../../../server/services/backup/target.ts'

const at = (text: string): number => Date.parse(`${text}Z`)
const NOW = at('2026-03-11T12:00')

describe('which may go', () => {
  /** `05T03` is 2026-03-05 03:00; a leading `!` did not prove itself. Other months in full. */
  const shelf = (text: string) =>
    text.split(' ').map((word) => {
      const when = word.replace('!', '')
      const full = when.length > 5 ? when : `2026-03-${when}`
      return { name: word, at: at(`${full}:00`), verified: !word.startsWith('!') }
    })
  const DAILY = '05T03 06T03 07T03 08T03 09T03 10T03 11T03'
  test.each<[string, KeepPolicy, string, string]>([
    [DAILY, {}, '', 'no policy keeps all'],
    [DAILY, { last: 0, daily: 0, weekly: 0, monthly: 0 }, '', 'all zero is no policy'],
    [DAILY, { last: 2 }, '05T03 06T03 07T03 08T03 09T03', 'the newest two'],
    [DAILY, { daily: 3 }, '05T03 06T03 07T03 08T03', 'one for each of three days'],
    ['10T01 10T13 11T01 11T09', { daily: 2 }, '10T01 11T01', 'the newest of a day'],
    ['01T03 11T03', { daily: 2 }, '', 'days without one do not count'],
    // 2026-03-09 is a Monday.
    [DAILY, { weekly: 2 }, '05T03 06T03 07T03 09T03 10T03', 'weeks end on Sunday'],
    [
      '2026-01-05T03 2026-01-31T03 2026-02-28T03 01T03 11T03',
      { monthly: 3 },
      '2026-01-05T03 01T03',
      'the newest of a month',
    ],
    [
      '2026-01-31T03 2026-02-28T03 01T03 10T03 11T03',
      { last: 1, monthly: 2 },
      '2026-01-31T03 01T03 10T03',
      'kinds add up',
    ],
    ['09T03 10T03 !11T03', { last: 1 }, '09T03', 'an unproved one fills no place'],
    ['!09T03 !10T03 !11T03', { last: 1 }, '!09T03 !10T03', 'of unproved ones the newest stays'],
    ['!09T03 10T03 11T03', { last: 2 }, '', 'even when it is older: it may be the one'],
    ['10T03 11T03 12T03', { last: 1 }, '10T03', 'nothing from the future goes, nor counts'],
    ['11T03', { daily: 1 }, '', 'the only one stays'],
  ])('%s with %j: %s goes (%s)', (given, policy, gone) => {
    const expected = gone === '' ? [] : gone.split(' ')
    expect(toDelete(shelf(given), policy, NOW)).toEqual(expected)
    expect(toDelete(shelf(given).reverse(), policy, NOW)).toEqual(expected)
  })

  test('a year of daily backups under the default comes to rest at 3 + 7 + 5 + 12 at most', () => {
    const policy = { last: 3, daily: 7, weekly: 5, monthly: 12 }
    let kept: { name: string; at: number; verified: boolean }[] = []
    for (let day = 0; day < 400; day++) {
      const time = at('2026-01-01T03:00') + day * 86_400_000
      kept.push({ name: String(day), at: time, verified: true })
      const gone = new Set(toDelete(kept, policy, time))
      kept = kept.filter(({ name }) => !gone.has(name))
    }
    expect(kept.length).toBeGreaterThan(18)
    expect(kept.length).toBeLessThanOrEqual(27)
    expect(kept.at(-1)?.name).toBe('399')
  })
})

describe('when', () => {
  test.each([
    ['off', { kind: 'off' }],
    ['03:15', { kind: 'daily', minute: 195 }],
    ['00:00', { kind: 'daily', minute: 0 }],
    ['23:59', { kind: 'daily', minute: 1439 }],
    ['every 6 h', { kind: 'every', ms: 21_600_000 }],
    ['every 15m', { kind: 'every', ms: 900_000 }],
    ['24:00', undefined],
    ['3:15', undefined],
    ['every', undefined],
    ['every 1 m', undefined],
    ['every 40 d', undefined],
    ['daily', undefined],
    ['', undefined],
  ])('%j is %j', (text, schedule) => {
    expect(parseBackupSchedule(text)).toEqual(schedule)
  })

  const none = { madeAt: undefined, failedAt: undefined }
  const made = (text: string) => ({ madeAt: at(text), failedAt: undefined })
  test.each<[string, LastRuns, string | undefined, string]>([
    ['off', none, undefined, 'never'],
    ['03:15', none, '2026-03-11T03:15', 'none yet: the last slot is overdue'],
    ['03:15', made('2026-03-11T03:16'), '2026-03-12T03:15', 'today’s is made'],
    ['03:15', made('2026-03-11T03:15'), '2026-03-12T03:15', 'to the minute'],
    ['03:15', made('2026-03-10T03:16'), '2026-03-11T03:15', 'today’s was missed'],
    ['03:15', made('2026-02-01T03:16'), '2026-03-11T03:15', 'missed many times: one is made'],
    ['14:00', made('2026-03-10T14:01'), '2026-03-11T14:00', 'today’s is still to come'],
    ['14:00', made('2026-03-11T09:00'), '2026-03-11T14:00', 'one by hand does not replace it'],
    ['every 6 h', none, '2026-03-11T12:00', 'none yet: now'],
    ['every 6 h', made('2026-03-11T07:00'), '2026-03-11T13:00', 'six hours later'],
    ['every 6 h', made('2026-03-01T07:00'), '2026-03-01T13:00', 'overdue'],
    [
      '03:15',
      { madeAt: at('2026-03-10T03:15'), failedAt: at('2026-03-11T11:50') },
      '2026-03-11T12:20',
      'failed: half an hour later',
    ],
    [
      '03:15',
      { madeAt: undefined, failedAt: at('2026-03-11T03:15') },
      '2026-03-11T03:45',
      'failed long ago: overdue',
    ],
    [
      '03:15',
      { madeAt: at('2026-03-11T04:00'), failedAt: at('2026-03-11T03:15') },
      '2026-03-12T03:15',
      'failed and made good',
    ],
  ])('%s after %j: %s (%s)', (text, last, due) => {
    const schedule = parseBackupSchedule(text)!
    expect(nextBackup(schedule, last, NOW)).toBe(due === undefined ? undefined : at(due))
    expect(RETRY_MS).toBe(1_800_000)
  })

  test.each([
    [backupName(NOW, '0002-control-plane'), NOW],
    ['posthorn-2026-03-11T12-00-00-000Z-x.phb', NOW],
    ['posthorn-2026-03-11T12-00-00-000Z-x.phb.part', undefined],
    ['posthorn-2026-13-11T12-00-00-000Z-x.phb', undefined],
    ['../posthorn-2026-03-11T12-00-00-000Z-x.phb', undefined],
    ['posthorn-2026-03-11T12-00-00-000Z-x/../y.phb', undefined],
    ['', undefined],
  ])('the name %j tells %j', (name, time) => {
    expect(backupTime(name)).toBe(time)
  })
})

describe('the recovery key', () => {
  test('survives paper: case, spaces, hyphens, and letters that look alike', () => {
    for (let i = 0; i < 200; i++) {
      const key = randomBytes(32)
      const code = formatRecoveryKey(key)
      expect(code).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/)
      for (const typed of [code, code.toLowerCase(), code.replaceAll('-', ' '), ` ${code}\n`])
        expect(parseRecoveryKey(typed)).toEqual(key)
      expect(parseRecoveryKey(code.replaceAll('0', 'O').replaceAll('1', 'l'))).toEqual(key)
    }
  })
  test('keeps leading zeros', () => {
    const key = Buffer.concat([Buffer.alloc(8), randomBytes(24)])
    expect(parseRecoveryKey(formatRecoveryKey(key))).toEqual(key)
  })
  test('notices each wrong letter, two swapped, one missing, one too many', () => {
    const code = formatRecoveryKey(Buffer.alloc(32, 0x5a)).replaceAll('-', '')
    for (let i = 0; i < code.length; i++) {
      const wrong = code[i] === '7' ? '8' : '7'
      expect(parseRecoveryKey(code.slice(0, i) + wrong + code.slice(i + 1)), `${i}`).toBeUndefined()
    }
    const at = Array.from(code).findIndex((letter, i) => letter !== code[i + 1])
    expect(
      parseRecoveryKey(code.slice(0, at) + code[at + 1]! + code[at]! + code.slice(at + 2)),
    ).toBeUndefined()
    for (const wrong of ['', code.slice(1), `${code}0`, code.replace(/.$/, 'U')])
      expect(parseRecoveryKey(wrong)).toBeUndefined()
  })
})

describe('room', () => {
  const MIB = 1024 * 1024
  const facts = {
    database: 100 * MIB,
    spool: 50 * MIB,
    workFree: 1_000 * MIB,
    workKeep: 256 * MIB,
    targetFree: 1_000 * MIB,
    shared: true,
  }
  test.each<[Partial<RoomFacts>, RegExp | undefined, string]>([
    [{}, undefined, 'plenty'],
    [{ workFree: 556 * MIB }, undefined, 'twice the content and what must stay free'],
    [{ workFree: 555 * MIB }, /needs 556 MiB .* there are 555 MiB/, 'a little less'],
    [{ workFree: 406 * MIB, shared: false }, undefined, 'the target is on another disk'],
    [{ workFree: 405 * MIB, shared: false }, /needs 406 MiB/, 'and then still too little'],
    [{ shared: false, targetFree: 149 * MIB }, /room for 149 MiB/, 'the other disk is full'],
    [{ shared: false, targetFree: undefined }, undefined, 'nobody knows: S3'],
  ])('%j: %s (%s)', (change, expected) => {
    const lack = lackOfRoom({ ...facts, ...change })
    if (expected === undefined) expect(lack).toBeUndefined()
    else expect(lack).toMatch(expected)
  })
})
