/**
 * Signs messages with DKIM (RFC 6376, RFC 8463). The body is hashed once for all keys; the signatures are computed
 * on the thread pool (crypto.sign with a callback), never on the event loop. It changes nothing in the message: the
 * caller puts the returned fields in front of it and must not touch a signed field afterwards.
 */
import { hash, sign } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import {
  hashBody,
  relaxHeader,
  selectHeader,
  signedField,
  startBodyHash,
  unsignedField,
} from '../protocol/dkim.ts'
import type { SignedHeader } from '../protocol/dkim.ts'
import { readHeader } from '../protocol/header.ts'
import type { DkimKey } from './dkim-key.ts'

/** RFC 5322 bytes with CRLF lines: as a whole, or in chunks cut anywhere. */
export type MessageBytes = Buffer | Iterable<Buffer> | AsyncIterable<Buffer>

/** Bodies above this are hashed in steps of this size with the event loop let in between (1 ms each). */
const STEP = 256 * 1024

interface Digest {
  readonly header: SignedHeader
  readonly bodyHash: string
}

/**
 * The DKIM-Signature fields to put before the message, one per key in their order, each with CRLF; an empty string
 * without keys. `now` is epoch ms. Rejects when the message has no readable header or a key cannot sign.
 */
export async function signMessage(
  message: MessageBytes,
  keys: readonly DkimKey[],
  now: number,
): Promise<string> {
  if (keys.length === 0) return ''
  const digest = Buffer.isBuffer(message) ? wholeDigest(message) : streamDigest(message)
  const { header, bodyHash } = digest instanceof Promise ? await digest : digest
  const fields = await Promise.all(keys.map((key) => signOne(key, header, bodyHash, now)))
  return fields.join('')
}

function signOne(
  key: DkimKey,
  header: SignedHeader,
  bodyHash: string,
  at: number,
): Promise<string> {
  const { algorithm, domain, selector, privateKey } = key
  const field = unsignedField({ algorithm, domain, selector, at, bodyHash, names: header.names })
  const signed = Buffer.from(header.canonical + relaxHeader(field), 'latin1')
  return new Promise<string>((resolve, reject) => {
    const done = (error: Error | null, signature: Buffer): void => {
      if (error === null) resolve(signedField(field, signature.toString('base64')))
      else reject(error)
    }
    if (algorithm === 'rsa-sha256') sign('sha256', signed, privateKey, done)
    // RFC 8463 §3: Ed25519 signs the SHA-256 hash of the header, not the header.
    else sign(null, hash('sha256', signed, 'buffer'), privateKey, done)
  })
}

function wholeDigest(message: Buffer): Digest | Promise<Digest> {
  const header = readHeader(message)
  if (!header.ok) throw new Error(`cannot sign: ${header.reason}`)
  const body = message.subarray(header.bodyStart)
  const selected = selectHeader(header)
  if (body.length > STEP) return bodyInSteps(selected, body)
  return { header: selected, bodyHash: hashBody(body) }
}

async function bodyInSteps(header: SignedHeader, body: Buffer): Promise<Digest> {
  const hasher = startBodyHash()
  for (let at = 0; at < body.length; at += STEP) {
    hasher.update(body.subarray(at, at + STEP))
    await setImmediate()
  }
  return { header, bodyHash: hasher.digest() }
}

async function streamDigest(chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Digest> {
  const hasher = startBodyHash()
  let head: Buffer = Buffer.alloc(0)
  let inBody = false
  for await (const chunk of chunks) {
    if (inBody) {
      hasher.update(chunk)
      continue
    }
    const from = Math.max(0, head.length - 3)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n', from, 'latin1')
    if (end < 0) continue
    inBody = true
    hasher.update(head.subarray(end + 4))
    head = head.subarray(0, end + 4)
  }
  const header = readHeader(head)
  if (!header.ok) throw new Error(`cannot sign: ${header.reason}`)
  return { header: selectHeader(header), bodyHash: hasher.digest() }
}
