/** What every place for backups must do, whatever it is made of. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { backupName } from '../../server/services/backup/target.ts'
import type { BackupTarget } from '../../server/services/backup/target.ts'
import { TEST_START } from '../support/clock.ts'

export interface TargetUnderTest {
  readonly target: BackupTarget
  /** Something that is no backup, where the backups are. */
  readonly litter: (name: string) => void
  /** Names of all that is there, drafts and parts of uploads included. */
  readonly everything: () => readonly string[]
}

const name = (i: number): string => backupName(TEST_START + i * 3_600_000, '0002-control-plane')

async function* pieces(...buffers: Buffer[]): AsyncGenerator<Buffer> {
  yield* buffers
}

async function read(target: BackupTarget, of: string): Promise<Buffer> {
  const found: Buffer[] = []
  for await (const piece of await target.get(of)) found.push(piece as Buffer)
  return Buffer.concat(found)
}

export function targetContract(title: string, open: () => Promise<TargetUnderTest>): void {
  describe(`${title} keeps backups`, () => {
    test.each([
      ['nothing', 0, 64_000],
      ['one byte', 1, 1],
      ['some', 200_000, 7_001],
      ['more than fits into one request', 19_000_003, 1_000_000],
    ])('%s comes back as it went', async (_what, size, step) => {
      const { target, everything } = await open()
      const content = randomBytes(size)
      const parts: Buffer[] = []
      for (let at = 0; at < size; at += step) parts.push(content.subarray(at, at + step))
      expect(await target.put(name(1), pieces(...parts), { sizeHint: size })).toBe(size)
      expect((await read(target, name(1))).equals(content)).toBe(true)
      expect(await target.list()).toEqual([{ name: name(1), bytes: size }])
      expect(everything()).toEqual([name(1)])
    })

    test('lists backups in order, and nothing else', async () => {
      const { target, litter } = await open()
      for (const i of [3, 1, 2]) await target.put(name(i), pieces(Buffer.alloc(i)), { sizeHint: i })
      for (const other of ['notes.txt', `${name(4)}.part`, 'posthorn-2026.phb']) litter(other)
      expect(await target.list()).toEqual([1, 2, 3].map((i) => ({ name: name(i), bytes: i })))
    })

    test('an empty place lists nothing', async () => {
      expect(await (await open()).target.list()).toEqual([])
    })

    test('a name that is taken is refused, and what is there stays', async () => {
      const { target } = await open()
      await target.put(name(1), pieces(Buffer.from('first')), { sizeHint: 5 })
      await expect(
        target.put(name(1), pieces(Buffer.from('second')), { sizeHint: 6 }),
      ).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
      expect((await read(target, name(1))).toString()).toBe('first')
    })

    test.each([
      ['at once', 0],
      ['after one request', 11_000_000],
    ])('a stream that breaks %s leaves nothing', async (_when, size) => {
      const { target, everything } = await open()
      async function* broken(): AsyncGenerator<Buffer> {
        yield Buffer.alloc(size)
        throw new Error('the source broke')
      }
      await expect(target.put(name(1), broken(), { sizeHint: size })).rejects.toThrow()
      expect(await target.list()).toEqual([])
      expect(everything()).toEqual([])
    })

    test('what is not there is told', async () => {
      const { target } = await open()
      await expect(target.get(name(1))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test.each([
      ['../secret', 'out of the folder'],
      ['/etc/passwd', 'somewhere else'],
      ['', 'no name'],
      [`x/${name(1)}`, 'a folder inside'],
    ])('%j is no name of a backup (%s)', async (wrong) => {
      const { target, litter } = await open()
      litter('secret')
      await expect(target.get(wrong)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(target.put(wrong, pieces(), { sizeHint: 0 })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      })
      await target.remove(wrong)
    })

    test('removes, twice if need be, and nothing but backups', async () => {
      const { target, litter, everything } = await open()
      await target.put(name(1), pieces(Buffer.from('x')), { sizeHint: 1 })
      litter('notes.txt')
      await target.remove(name(1))
      await target.remove(name(1))
      await target.remove('notes.txt')
      expect(await target.list()).toEqual([])
      expect(everything()).toEqual(['notes.txt'])
    })
  })
}
