/**
 * DKIM keys: made, read from PEM, and published as a DNS TXT record (RFC 6376 §3.6.1, RFC 8463). Key objects are
 * parsed once and live in the DkimKey. It never stores a key and never puts private material into an error.
 */
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '../core/errors.ts'
import type { DkimAlgorithm } from '../protocol/dkim.ts'

export interface DkimKey {
  /** `d=`, lower case A-labels. */
  readonly domain: string
  /** `s=` */
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  readonly privateKey: KeyObject
}

/** RFC 8301 §3.2: receivers ignore shorter RSA keys. */
const MIN_RSA_BITS = 1024

const generate = promisify(generateKeyPair)

/** A new private key as PKCS #8 PEM. RSA is 2048 bits and takes some 100 ms of a pool thread. */
export async function generateDkimKey(algorithm: DkimAlgorithm): Promise<string> {
  const { privateKey } =
    algorithm === 'rsa-sha256'
      ? await generate('rsa', { modulusLength: 2048 })
      : await generate('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/**
 * Reads an unencrypted private key (PKCS #1 or PKCS #8 PEM). Throws AppError CONFIG_INVALID when it is no RSA or
 * Ed25519 key, or an RSA key below 1024 bits.
 */
export function parseDkimKey(input: {
  readonly domain: string
  readonly selector: string
  readonly pem: string
}): DkimKey {
  const privateKey = readPrivateKey(input.pem)
  const type = privateKey.asymmetricKeyType
  if (type !== 'rsa' && type !== 'ed25519') {
    throw invalid(`The DKIM key must be RSA or Ed25519, not ${type ?? 'unknown'}.`)
  }
  const bits = privateKey.asymmetricKeyDetails?.modulusLength
  if (type === 'rsa' && (bits ?? 0) < MIN_RSA_BITS) {
    throw invalid(`The DKIM key has ${bits ?? 0} bits; RSA needs at least ${MIN_RSA_BITS}.`)
  }
  return {
    domain: input.domain,
    selector: input.selector,
    algorithm: type === 'rsa' ? 'rsa-sha256' : 'ed25519-sha256',
    privateKey,
  }
}

function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch {
    // The cause is left out: some messages of the parser quote their input.
    throw invalid('The DKIM key is not a readable private key in PEM form.')
  }
}

const invalid = (text: string): AppError => new AppError('CONFIG_INVALID', { public: text })

/** The name at which the record of this key belongs. */
export const dkimRecordName = (key: Pick<DkimKey, 'domain' | 'selector'>): string =>
  `${key.selector}._domainkey.${key.domain}`

/** The record's value, `v=DKIM1; k=rsa; p=…`, as one string; `splitTxt` cuts it for DNS. */
export function dkimRecord(key: Pick<DkimKey, 'algorithm' | 'privateKey'>): string {
  const spki = createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' })
  return key.algorithm === 'rsa-sha256'
    ? `v=DKIM1; k=rsa; p=${spki.toString('base64')}`
    : // RFC 8463 §4.2: the bare 32 bytes of the public key, which end its SPKI form.
      `v=DKIM1; k=ed25519; p=${spki.subarray(-32).toString('base64')}`
}

/** Cuts an ASCII value into the strings of one TXT record, at most 255 octets each (RFC 1035 §3.3). */
export function splitTxt(value: string): string[] {
  const strings: string[] = []
  for (let at = 0; at < value.length; at += 255) strings.push(value.slice(at, at + 255))
  return strings
}
