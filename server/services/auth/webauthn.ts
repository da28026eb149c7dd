/**
 * What goes between us and browsers for passkeys, as plain shapes, and the looks we take at answers besides the
 * library's: which challenge it is, that no other page framed ours, and that no vendor's certificates come along.
 */
import { decodeAttestationObject } from '@simplewebauthn/server/helpers'
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server'
import { encodeId } from '../../core/ids.ts'
import type { UserId } from '../../core/ids.ts'
import type { PasskeyRow } from '../../store/passkeys.ts'

/** Answer to a registration, as `navigator.credentials.create` gives it in JSON. All texts base64url. */
export interface NewPasskeyAnswer {
  readonly id: string
  readonly rawId: string
  readonly response: {
    readonly clientDataJSON: string
    readonly attestationObject: string
    readonly transports?: readonly string[] | undefined
  }
}

/** Answer to a sign-in or a second factor, as `navigator.credentials.get` gives it in JSON. */
export interface PasskeyAnswer {
  readonly id: string
  readonly rawId: string
  readonly response: {
    readonly clientDataJSON: string
    readonly authenticatorData: string
    readonly signature: string
    readonly userHandle?: string | null | undefined
  }
}

/** The challenge that the answer names; undefined when it is none, or comes out of a frame in another site. */
export function challengeOf(clientDataJSON: string): string | undefined {
  let data: unknown
  try {
    data = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof data !== 'object' || data === null || !('challenge' in data)) return undefined
  if ('crossOrigin' in data && data.crossOrigin === true) return undefined
  return typeof data.challenge === 'string' ? data.challenge : undefined
}

/**
 * Whether the statement is what a browser leaves when none was asked for: nothing, or a signature of the new key
 * itself (WebAuthn §5.1.3). Anything else would have us parse certificates, and fetch what they name.
 */
export function hasNoCertificates(attestationObject: string): boolean {
  try {
    const decoded = decodeAttestationObject(
      new Uint8Array(Buffer.from(attestationObject, 'base64url')),
    )
    const format = decoded.get('fmt')
    return (
      format === 'none' || (format === 'packed' && decoded.get('attStmt').get('x5c') === undefined)
    )
  } catch {
    return false
  }
}

const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']
export const knownTransports = (transports: readonly string[] = []): string[] =>
  TRANSPORTS.filter((transport) => transports.includes(transport))

export const toRegistration = ({
  id,
  rawId,
  response,
}: NewPasskeyAnswer): RegistrationResponseJSON => ({
  id,
  rawId,
  type: 'public-key',
  clientExtensionResults: {},
  response: {
    clientDataJSON: response.clientDataJSON,
    attestationObject: response.attestationObject,
  },
})

export const toAuthentication = ({
  id,
  rawId,
  response,
}: PasskeyAnswer): AuthenticationResponseJSON => ({
  id,
  rawId,
  type: 'public-key',
  clientExtensionResults: {},
  response: {
    clientDataJSON: response.clientDataJSON,
    authenticatorData: response.authenticatorData,
    signature: response.signature,
  },
})

/** What the authenticator shows to us as the person: their outside id, which is no secret and never changes. */
export const handleOf = (user: UserId): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(encodeId('user', user)))

/** How a browser is told which passkeys are meant. */
export const descriptorOf = (row: PasskeyRow): { id: string; transports: string[] } => {
  const transports: unknown = JSON.parse(row.transports)
  const words = Array.isArray(transports) ? transports.filter((one) => typeof one === 'string') : []
  return { id: row.credential_id, transports: words }
}
