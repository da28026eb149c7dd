/** A backup file that was altered in any way does not open, and one of another installation says so. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { realRandom } from '../../../server/ports.ts'
import { decrypt, encrypt } from '../../../server/services/backup/cipher.ts'
import { CHUNK_BYTES, makeHeader } from '../../../server/services/backup/header.ts'

const KEY = Buffer.alloc(32, 1)
const FACTS = { createdAt: '2026-01-01T00:00:00.000Z', program: '1.2.3', schema: '0002-x' }
const SEALED = CHUNK_BYTES + 16

async function* inPieces(bytes: Buffer, size = 100_003): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of source) pieces.push(piece)
  return Buffer.concat(pieces)
}
const sealed = (plain: Buffer, key = KEY): Promise<Buffer> =>
  all(encrypt(inPieces(plain), makeHeader(FACTS, key, realRandom)))
async function opened(file: Buffer, key = KEY): Promise<Buffer> {
  return all((await decrypt(inPieces(file), key)).content)
}

test.each([
  [0, 'nothing'],
  [1, 'a byte'],
  [CHUNK_BYTES - 1, 'a byte less than a chunk'],
  [CHUNK_BYTES, 'a chunk'],
  [CHUNK_BYTES + 1, 'a byte more'],
  [2 * CHUNK_BYTES, 'two chunks'],
  [2 * CHUNK_BYTES + 77, 'two and a bit'],
])('%i bytes come back (%s)', async (size) => {
  const plain = randomBytes(size)
  const file = await sealed(plain)
  expect((await opened(file)).equals(plain)).toBe(true)
  expect(await sealed(plain)).not.toEqual(file)
})

test('the header can be read without any key, and only tells what is no secret', async () => {
  const file = await sealed(Buffer.from('secret'))
  const { header } = await decrypt(inPieces(file), KEY)
  expect(header).toMatchObject(FACTS)
  expect(Object.keys(header).sort()).toEqual(
    ['chunk', 'cipher', 'compression', 'createdAt', 'keyId', 'program', 'schema', 'wrapped'].sort(),
  )
})

describe('a file that is not as it was written is refused', () => {
  const plain = randomBytes(2 * CHUNK_BYTES + 1_000)
  const made = sealed(plain)
  const start = async (): Promise<number> => {
    const file = await made
    return 14 + file.readUInt32BE(10)
  }
  /** name → how it is damaged; `at` is where the first chunk begins. */
  const DAMAGES: Record<string, (file: Buffer, at: number) => Buffer> = {
    'a bit of the magic word': (file) => flip(file, 0),
    'a bit of the format': (file) => flip(file, 9),
    'a bit of the length of the header': (file) => flip(file, 13),
    'a bit in the JSON': (file) => flip(file, 14),
    'the date in the header': (file) => replace(file, '2026-01-01', '2026-01-02'),
    'the schema in the header': (file) => replace(file, '0002-x', '0001-x'),
    'the size of chunks in the header': (file) => replace(file, '1048576', '1048577'),
    'the wrapped key': (file, at) => flip(file, at - 10),
    'a bit at the begin of the first chunk': (file, at) => flip(file, at),
    'a bit in the tag of the first chunk': (file, at) => flip(file, at + SEALED - 1),
    'a bit in the middle chunk': (file, at) => flip(file, at + SEALED + 5_000),
    'a bit in the last chunk': (file, at) => flip(file, at + 2 * SEALED + 5),
    'the last bit': (file) => flip(file, file.length - 1),
    'cut to nothing': () => Buffer.alloc(0),
    'cut in the header': (file) => file.subarray(0, 100),
    'cut after the header': (file, at) => file.subarray(0, at),
    'cut in the first chunk': (file, at) => file.subarray(0, at + 500),
    'cut after the first chunk': (file, at) => file.subarray(0, at + SEALED),
    'cut after the second chunk': (file, at) => file.subarray(0, at + 2 * SEALED),
    'cut by a byte': (file) => file.subarray(0, file.length - 1),
    'a byte appended': (file) => Buffer.concat([file, Buffer.alloc(1)]),
    'a chunk appended': (file, at) => Buffer.concat([file, file.subarray(at, at + SEALED)]),
    'the last chunk twice': (file, at) => Buffer.concat([file, file.subarray(at + 2 * SEALED)]),
    'two chunks swapped': (file, at) =>
      Buffer.concat([
        file.subarray(0, at),
        file.subarray(at + SEALED, at + 2 * SEALED),
        file.subarray(at, at + SEALED),
        file.subarray(at + 2 * SEALED),
      ]),
    'the first chunk left out': (file, at) =>
      Buffer.concat([file.subarray(0, at), file.subarray(at + SEALED)]),
    'the middle chunk left out': (file, at) =>
      Buffer.concat([file.subarray(0, at + SEALED), file.subarray(at + 2 * SEALED)]),
  }
  const flip = (file: Buffer, at: number): Buffer => {
    const copy = Buffer.from(file)
    copy[at] = copy[at]! ^ 1
    return copy
  }
  const replace = (file: Buffer, from: string, to: string): Buffer => {
    const copy = Buffer.from(file)
    const at = copy.indexOf(from)
    expect(at).toBeGreaterThan(0)
    copy.write(to, at)
    return copy
  }

  test.each(Object.keys(DAMAGES))('%s', async (name) => {
    const damaged = DAMAGES[name]!(await made, await start())
    await expect(opened(damaged)).rejects.toMatchObject({
      code: expect.stringMatching(/^BACKUP_(?:DAMAGED|KEY_WRONG)$/) as string,
    })
  })

  test('chunks of one file do not fit another, even under the same recovery key', async () => {
    const file = await made
    const other = await sealed(plain)
    const at = await start()
    await expect(
      opened(Buffer.concat([other.subarray(0, at), file.subarray(at)])),
    ).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  })

  test('nothing that is not proved is handed on', async () => {
    const at = await start()
    const damaged = flip(await made, at + SEALED + 5)
    const { content } = await decrypt(inPieces(damaged), KEY)
    const got: Buffer[] = []
    const reading = (async () => {
      for await (const piece of content) got.push(piece)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    expect(Buffer.concat(got).equals(plain.subarray(0, CHUNK_BYTES))).toBe(true)
  })
})

test('a wrong key is told from damage, and which key it needs', async () => {
  const file = await sealed(Buffer.from('x'))
  await expect(opened(file, Buffer.alloc(32, 2))).rejects.toMatchObject({
    code: 'BACKUP_KEY_WRONG',
    public: expect.stringMatching(/key [0-9a-f]{8}, and was tried with [0-9a-f]{8}/) as string,
  })
})

test('a header that claims to be huge is refused before it is read', async () => {
  const file = Buffer.from(await sealed(Buffer.from('x')))
  file.writeUInt32BE(0xffff_ffff, 10)
  await expect(opened(file)).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
})
