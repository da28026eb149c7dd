/** What may stand inside a backup: the files of a data directory, and nothing that leads out of it. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { pack, unpack } from '../../../server/services/backup/archive.ts'
import type { ArchiveFile } from '../../../server/services/backup/archive.ts'

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-archive-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'in', 'spool'), { recursive: true })
  return join(folder, 'in')
}
async function* pieces(text: string): AsyncGenerator<Buffer> {
  for (const letter of text) yield Buffer.from(letter)
}
const file = (name: string, text: string, size = Buffer.byteLength(text)): ArchiveFile => ({
  name,
  size,
  content: pieces(text),
})
async function* files(...given: ArchiveFile[]): AsyncGenerator<ArchiveFile> {
  yield* given
}
async function bytesOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of source) all.push(piece)
  return Buffer.concat(all)
}
async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
const extract = (archive: AsyncIterable<Buffer>, folder: string): Promise<void> =>
  unpack(archive, { folder, durable: true, wrote: () => undefined })

test('files come out as they went in, for their owner only', async () => {
  const folder = scratch()
  const given = files(
    file('spool/a-1.eml', 'a body'),
    file('spool/empty.eml', ''),
    file('master.key', 'a key'),
    file('posthorn.sqlite', 'a database'),
  )
  const told: number[] = []
  await unpack(pack(given), { folder, durable: true, wrote: (bytes) => void told.push(bytes) })
  expect(readFileSync(join(folder, 'spool/a-1.eml'), 'utf8')).toBe('a body')
  expect(readFileSync(join(folder, 'spool/empty.eml'), 'utf8')).toBe('')
  expect(readdirSync(folder).sort()).toEqual(['master.key', 'posthorn.sqlite', 'spool'])
  expect(told).toEqual([6, 6, 11, 21])
})

test.each([
  ['../master.key', 'the folder above'],
  ['spool/../../x', 'the folder above, by a detour'],
  ['/etc/passwd', 'an absolute path'],
  ['spool/a/b', 'a folder inside'],
  ['spool/.hidden', 'a name that begins with a dot'],
  ['spool/', 'no name'],
  ['serve.lock', 'a file that a data directory has, and a backup has not'],
  ['posthorn.sqlite-wal', 'a log that would be applied to the database'],
  ['spool/a\0b', 'a zero'],
])('%j is refused (%s)', async (name) => {
  const folder = scratch()
  await expect(extract(pack(files(file(name, 'x'))), folder)).rejects.toMatchObject({
    code: 'BACKUP_DAMAGED',
  })
  expect(readdirSync(join(folder, '..'))).toEqual(['in'])
  expect(readdirSync(folder)).toEqual(['spool'])
})

test('a file twice, a cut, and more behind the end are refused', async () => {
  const whole = await bytesOf(pack(files(file('master.key', 'a key'))))
  const twice = pack(files(file('master.key', 'a'), file('master.key', 'b')))
  await expect(extract(twice, scratch())).rejects.toMatchObject({ code: 'EEXIST' })
  for (let length = 0; length < whole.length; length++)
    await expect(
      extract(once(whole.subarray(0, length)), scratch()),
      `${length} bytes`,
    ).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  const longer = once(Buffer.concat([whole, Buffer.alloc(1)]))
  await expect(extract(longer, scratch())).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
})

test.each([
  ['grew', 3],
  ['shrank', 9],
])('a file that %s while it was read is no whole archive', async (_how, size) => {
  const changed = pack(files(file('spool/a.eml', 'a body', size)))
  await expect(bytesOf(changed)).rejects.toMatchObject({
    code: 'INTERNAL',
    detail: expect.stringContaining('spool/a.eml changed') as string,
  })
})
