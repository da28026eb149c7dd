/**
 * An authenticator in software: it makes passkeys and answers challenges as a browser with a security key does, in the
 * JSON that goes to the server, so that tests run the real verification. What it does wrong it does when told to.
 * WebAuthn §6.1 (authenticator data), §6.5 (attestation).
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { NewPasskeyAnswer, PasskeyAnswer } from '../../server/services/auth/webauthn.ts'

type Cbor = number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<number | string, Cbor>

/** The few kinds of CBOR that an attestation needs: integers, texts, bytes, lists, maps. */
export function cbor(value: Cbor): Buffer {
  const head = (major: number, size: number): Buffer => {
    if (size < 24) return Buffer.from([(major << 5) | size])
    if (size < 256) return Buffer.from([(major << 5) | 24, size])
    return Buffer.from([(major << 5) | 25, size >> 8, size & 255])
  }
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  if (value instanceof Map) {
    const pairs = [...(value as ReadonlyMap<number | string, Cbor>)]
    return Buffer.concat([head(5, pairs.length), ...pairs.flat().map((part) => cbor(part))])
  }
  const list = value as readonly Cbor[]
  return Buffer.concat([head(4, list.length), ...list.map((part) => cbor(part))])
}

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest()
const base64url = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url')

const PRESENT = 1
const VERIFIED = 4
const BACKUP_ELIGIBLE = 8
const BACKED_UP = 16
const ATTESTED = 64

interface Credential {
  readonly id: Buffer
  readonly key: KeyObject
  readonly rpId: string
  readonly userHandle: string
  counter: number
}

/** What an answer does otherwise than a good browser would. */
export interface Mischief {
  readonly origin?: string
  readonly rpId?: string
  readonly challenge?: string
  readonly type?: string
  readonly crossOrigin?: boolean
  readonly userVerified?: boolean
  readonly userPresent?: boolean
  /** Shown in place of the next count. */
  readonly counter?: number
  readonly userHandle?: string
  /** Flips a bit of the signature. */
  readonly forged?: boolean
  /** Attestation with certificates, of this format. */
  readonly attestation?: string
}

export interface Authenticator {
  /** `navigator.credentials.create(options)`. */
  create(
    options: {
      readonly challenge: string
      readonly rp: { readonly id?: string }
      readonly user: { readonly id: string }
    },
    mischief?: Mischief,
  ): NewPasskeyAnswer
  /** `navigator.credentials.get(options)`, with the passkey made last that the options allow. */
  get(
    options: {
      readonly challenge: string
      readonly rpId?: string
      readonly allowCredentials?: readonly { readonly id: string }[]
    },
    mischief?: Mischief,
  ): PasskeyAnswer
  /** A copy that counts for itself from here on. */
  clone(): Authenticator
}

export interface AuthenticatorOptions {
  /** The page that it is asked by. */
  readonly origin: string
  /** False: it never counts, as passkeys in a cloud account do not. */
  readonly counts?: boolean
  readonly synced?: boolean
}

export function softAuthenticator(
  { origin, counts = true, synced = false }: AuthenticatorOptions,
  credentials: readonly Credential[] = [],
): Authenticator {
  const own = credentials.map((credential) => ({ ...credential }))

  const clientData = (type: string, challenge: string, mischief: Mischief): string =>
    JSON.stringify({
      type: mischief.type ?? type,
      challenge: mischief.challenge ?? challenge,
      origin: mischief.origin ?? origin,
      crossOrigin: mischief.crossOrigin ?? false,
    })

  function authenticatorData(
    credential: Credential,
    mischief: Mischief,
    attested?: Buffer,
  ): Buffer {
    if (counts) credential.counter++
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(mischief.counter ?? credential.counter)
    const flags =
      (mischief.userPresent === false ? 0 : PRESENT) |
      (mischief.userVerified === false ? 0 : VERIFIED) |
      (synced ? BACKUP_ELIGIBLE | BACKED_UP : 0) |
      (attested === undefined ? 0 : ATTESTED)
    return Buffer.concat([
      sha256(mischief.rpId ?? credential.rpId),
      Buffer.from([flags]),
      counter,
      attested ?? Buffer.alloc(0),
    ])
  }

  return {
    create({ challenge, rp, user }, mischief = {}) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
      const credential: Credential = {
        id: randomBytes(32),
        key: privateKey,
        rpId: rp.id ?? new URL(origin).hostname,
        userHandle: user.id,
        counter: 0,
      }
      own.push(credential)
      // COSE: EC2, ES256, P-256, x, y.
      const key = new Map<number, Cbor>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, Buffer.from(x, 'base64url')],
        [-3, Buffer.from(y, 'base64url')],
      ])
      const length = Buffer.from([0, credential.id.length])
      const attested = Buffer.concat([Buffer.alloc(16), length, credential.id, cbor(key)])
      const data = authenticatorData(credential, mischief, attested)
      const client = clientData('webauthn.create', challenge, mischief)
      const signature = sign('sha256', Buffer.concat([data, sha256(client)]), privateKey)
      const statement = new Map<string, Cbor>(
        mischief.attestation === undefined
          ? []
          : [
              ['alg', -7],
              ['sig', signature],
              ['x5c', [randomBytes(64)]],
            ],
      )
      const object = new Map<string, Cbor>([
        ['fmt', mischief.attestation ?? 'none'],
        ['attStmt', statement],
        ['authData', data],
      ])
      return {
        id: base64url(credential.id),
        rawId: base64url(credential.id),
        response: {
          clientDataJSON: base64url(client),
          attestationObject: base64url(cbor(object)),
          transports: ['usb', 'smoke-signals'],
        },
      }
    },

    get({ challenge, allowCredentials }, mischief = {}) {
      const allowed = allowCredentials?.map(({ id }) => id)
      const credential = own.findLast(({ id }) => allowed?.includes(base64url(id)) ?? true)
      if (credential === undefined) throw new Error('The authenticator has no such passkey.')
      const data = authenticatorData(credential, mischief)
      const client = clientData('webauthn.get', challenge, mischief)
      const signature = sign('sha256', Buffer.concat([data, sha256(client)]), credential.key)
      // The last byte is in a number, not in the structure around it.
      if (mischief.forged === true) signature[signature.length - 1]! ^= 1
      return {
        id: base64url(credential.id),
        rawId: base64url(credential.id),
        response: {
          clientDataJSON: base64url(client),
          authenticatorData: base64url(data),
          signature: base64url(signature),
          userHandle: mischief.userHandle ?? credential.userHandle,
        },
      }
    },

    clone: () => softAuthenticator({ origin, counts, synced }, own),
  }
}
