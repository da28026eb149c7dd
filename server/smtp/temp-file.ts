/**
 * A nameless file for a body that is too large for memory. It is unlinked as soon as it is open, so that no crash can
 * leave one behind. It holds what is not acknowledged yet; nothing in it has to survive.
 */
import { constants } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { Random } from '../core/ports.ts'

export interface TempFile {
  /** Rejects with STORE_FULL or STORE_UNAVAILABLE. One call at a time. */
  append(bytes: Buffer): Promise<void>
  /** Everything that was appended. */
  read(): Promise<Buffer>
  close(): Promise<void>
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Rejects with STORE_FULL or STORE_UNAVAILABLE (no such directory, no more descriptors). */
export async function openTempFile(directory: string, random: Random): Promise<TempFile> {
  const path = join(directory, `receiving-${random.bytes(12).toString('hex')}`)
  const { O_RDWR, O_CREAT, O_EXCL } = constants
  const handle = await open(path, O_RDWR | O_CREAT | O_EXCL, 0o600).catch(refuse)
  await unlink(path).catch(refuse)
  let size = 0
  return {
    async append(bytes) {
      for (let done = 0; done < bytes.length;) {
        const left = bytes.length - done
        const { bytesWritten } = await handle.write(bytes, done, left, size).catch(refuse)
        done += bytesWritten
        size += bytesWritten
      }
    },
    async read() {
      // Its own memory, never a slice of the shared pool: it is large.
      const bytes = Buffer.allocUnsafeSlow(size)
      for (let done = 0; done < size;) {
        const { bytesRead } = await handle.read(bytes, done, size - done, done).catch(refuse)
        if (bytesRead === 0)
          throw new AppError('STORE_UNAVAILABLE', { detail: 'A temporary file was cut short.' })
        done += bytesRead
      }
      return bytes
    },
    close: () => handle.close(),
  }
}

function refuse(cause: unknown): never {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  throw new AppError(
    typeof code === 'string' && FULL.has(code) ? 'STORE_FULL' : 'STORE_UNAVAILABLE',
    { cause },
  )
}
