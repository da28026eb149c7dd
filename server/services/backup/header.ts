/**
 * The first bytes of a backup file: a magic word, the version of the format, and JSON that anybody may read. It says
 * nothing about what is inside but when and by which program it was made, and holds the file's key, wrapped.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'
import type { ByteReader } from './bytes.ts'

const MAGIC = Buffer.from('PHBACKUP', 'latin1')
const FORMAT = 1
/** Magic, format (u16), length of the JSON (u32). */
const FIXED_BYTES = MAGIC.length + 2 + 4
const MAX_JSON = 64 * 1024
const CIPHER = 'aes-256-gcm'
const WRAPPING = 'posthorn backup key'

export interface BackupHeader {
  /** ISO 8601. */
  readonly createdAt: string
  /** Version of the program. */
  readonly program: string
  /** Name of the last migration. */
  readonly schema: string
  /** Which recovery key opens it: eight hex digits that tell nothing about the key. */
  readonly keyId: string
  readonly cipher: 'aes-256-gcm'
  readonly compression: 'brotli'
  /** Bytes of plain text in each sealed chunk but the last. */
  readonly chunk: number
  /** base64url: nonce, tag, and the file's key encrypted under the recovery key. */
  readonly wrapped: string
}

export interface MadeHeader {
  /** As it stands at the beginning of the file. */
  readonly bytes: Buffer
  /** What the chunks are encrypted with: new in each file, and never on a disk but wrapped. */
  readonly fileKey: Buffer
}

export const CHUNK_BYTES = 1024 * 1024

/** Tells recovery keys apart without telling anything about them. */
export const keyIdOf = (recoveryKey: Buffer): string =>
  createHmac('sha256', recoveryKey).update('posthorn backup key id').digest('hex').slice(0, 8)

/** A header with a new random key in it. */
export function makeHeader(
  facts: Pick<BackupHeader, 'createdAt' | 'program' | 'schema'>,
  recoveryKey: Buffer,
  random: Random,
): MadeHeader {
  const fileKey = random.bytes(32)
  const nonce = random.bytes(12)
  const cipher = createCipheriv(CIPHER, recoveryKey, nonce)
  cipher.setAAD(Buffer.from(WRAPPING))
  const body = Buffer.concat([cipher.update(fileKey), cipher.final()])
  const header: BackupHeader = {
    ...facts,
    keyId: keyIdOf(recoveryKey),
    cipher: CIPHER,
    compression: 'brotli',
    chunk: CHUNK_BYTES,
    wrapped: Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url'),
  }
  const json = Buffer.from(JSON.stringify(header))
  const fixed = Buffer.alloc(FIXED_BYTES)
  MAGIC.copy(fixed)
  fixed.writeUInt16BE(FORMAT, MAGIC.length)
  fixed.writeUInt32BE(json.length, MAGIC.length + 2)
  return { bytes: Buffer.concat([fixed, json]), fileKey }
}

const damaged = (why: string): AppError =>
  new AppError('BACKUP_DAMAGED', { public: `This is no whole backup: ${why}.` })

/** Throws BACKUP_DAMAGED when the stream does not begin as a backup does. */
export async function readHeader(
  reader: ByteReader,
): Promise<{ readonly header: BackupHeader; readonly bytes: Buffer }> {
  const fixed = await reader.read(FIXED_BYTES)
  if (fixed.length < FIXED_BYTES || !fixed.subarray(0, MAGIC.length).equals(MAGIC))
    throw damaged('it does not begin as one')
  const format = fixed.readUInt16BE(MAGIC.length)
  if (format !== FORMAT)
    throw new AppError('BACKUP_DAMAGED', {
      public: `The backup is of format ${format}, which a newer Posthorn may know.`,
    })
  const length = fixed.readUInt32BE(MAGIC.length + 2)
  if (length > MAX_JSON) throw damaged('its header is damaged')
  const json = await reader.read(length)
  const header = json.length === length ? parseHeader(json.toString('utf8')) : undefined
  if (header === undefined) throw damaged('its header is damaged')
  return { header, bytes: Buffer.concat([fixed, json]) }
}

function parseHeader(text: string): BackupHeader | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isHeader(value) ? value : undefined
}

function isHeader(value: unknown): value is BackupHeader {
  if (typeof value !== 'object' || value === null) return false
  const field = (name: string): unknown => Reflect.get(value, name)
  const chunk = field('chunk')
  return (
    ['createdAt', 'program', 'schema', 'keyId', 'wrapped'].every(
      (name) => typeof field(name) === 'string',
    ) &&
    field('cipher') === CIPHER &&
    field('compression') === 'brotli' &&
    typeof chunk === 'number' &&
    Number.isInteger(chunk) &&
    chunk > 0 &&
    // A damaged length must not make us hold a gigabyte.
    chunk <= 16 * CHUNK_BYTES
  )
}

/** Throws BACKUP_KEY_WRONG when the recovery key is another one, or the header was altered. */
export function unwrapFileKey(header: BackupHeader, recoveryKey: Buffer): Buffer {
  const bytes = Buffer.from(header.wrapped, 'base64url')
  const own = keyIdOf(recoveryKey)
  try {
    const decipher = createDecipheriv(CIPHER, recoveryKey, bytes.subarray(0, 12))
    decipher.setAAD(Buffer.from(WRAPPING))
    decipher.setAuthTag(bytes.subarray(12, 28))
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()])
  } catch (cause) {
    throw new AppError('BACKUP_KEY_WRONG', {
      public: `The backup needs the recovery key ${header.keyId}, and was tried with ${own}.`,
      cause,
    })
  }
}
