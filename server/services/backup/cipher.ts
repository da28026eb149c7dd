/**
 * Encrypts a stream in chunks of 1 MiB with AES-256-GCM, so that it can be written and read with little memory and
 * nothing unproved is ever handed on. The nonce of a chunk is its number and whether it is the last one, and each is
 * bound to the header: chunks cannot be altered, swapped, dropped, appended or moved to another file unnoticed.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import { byteReader } from './bytes.ts'
import { CHUNK_BYTES, readHeader, unwrapFileKey } from './header.ts'
import type { BackupHeader, MadeHeader } from './header.ts'

const CIPHER = 'aes-256-gcm'
const TAG_BYTES = 16

/** Eleven bytes of count and one that marks the last chunk. The key is new in each file, so no nonce comes twice. */
function nonceOf(chunk: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(chunk, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

const bindingOf = (header: Buffer): Buffer => createHash('sha256').update(header).digest()

/** Header and chunks of a backup file. `source` is what goes into it, already compressed. */
export async function* encrypt(
  source: AsyncIterable<Buffer>,
  { bytes, fileKey }: MadeHeader,
): AsyncGenerator<Buffer> {
  yield bytes
  const binding = bindingOf(bytes)
  const reader = byteReader(source)
  try {
    let chunk = await reader.read(CHUNK_BYTES)
    for (let number = 0; ; number++) {
      const next = await reader.read(CHUNK_BYTES)
      const isLast = next.length === 0
      const cipher = createCipheriv(CIPHER, fileKey, nonceOf(number, isLast))
      cipher.setAAD(binding)
      yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()])
      if (isLast) return
      chunk = next
    }
  } finally {
    await reader.close()
  }
}

/**
 * The header and the proved content of a backup file. Throws BACKUP_DAMAGED or BACKUP_KEY_WRONG, the latter before
 * any content; what was handed on before an error in the middle is genuine but not whole.
 */
export async function decrypt(
  source: AsyncIterable<Buffer>,
  recoveryKey: Buffer,
): Promise<{ readonly header: BackupHeader; readonly content: AsyncGenerator<Buffer> }> {
  const reader = byteReader(source)
  try {
    const { header, bytes } = await readHeader(reader)
    const fileKey = unwrapFileKey(header, recoveryKey)
    return { header, content: chunks(reader, fileKey, bindingOf(bytes), header.chunk) }
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function* chunks(
  reader: ReturnType<typeof byteReader>,
  fileKey: Buffer,
  binding: Buffer,
  chunkBytes: number,
): AsyncGenerator<Buffer> {
  const sealedBytes = chunkBytes + TAG_BYTES
  try {
    let sealed = await reader.read(sealedBytes)
    for (let number = 0; ; number++) {
      const next = await reader.read(sealedBytes)
      const isLast = next.length === 0
      yield openChunk(sealed, fileKey, binding, nonceOf(number, isLast))
      if (isLast) return
      sealed = next
    }
  } finally {
    await reader.close()
  }
}

function openChunk(sealed: Buffer, fileKey: Buffer, binding: Buffer, nonce: Buffer): Buffer {
  const end = sealed.length - TAG_BYTES
  try {
    const decipher = createDecipheriv(CIPHER, fileKey, nonce)
    decipher.setAAD(binding)
    decipher.setAuthTag(sealed.subarray(Math.max(end, 0)))
    const plain = decipher.update(sealed.subarray(0, Math.max(end, 0)))
    return Buffer.concat([plain, decipher.final()])
  } catch (cause) {
    throw new AppError('BACKUP_DAMAGED', {
      public: 'The backup is damaged: it was altered or cut short.',
      cause,
    })
  }
}
