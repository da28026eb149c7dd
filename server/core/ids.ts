/**
 * Identifiers. Inside, a row's key is a time-ordered integer; outside, it is a prefixed opaque word
 * (`msg_01k7…`). Because keys order by time, "since" and retention are ranges over the primary key.
 */

/** 2025-01-01T00:00:00Z; 41 bits of milliseconds from here last until 2094. */
export const ID_EPOCH = 1_735_689_600_000
/** Keys that fit in one millisecond; the writer borrows from the next one when they run out. */
export const IDS_PER_MS = 4096

export const ID_PREFIXES = {
  message: 'msg',
  delivery: 'dlv',
  event: 'evt',
  tenant: 'ten',
  user: 'usr',
  domain: 'dom',
  credential: 'crd',
  key: 'key',
  source: 'src',
  pool: 'pol',
  route: 'rte',
  lane: 'lan',
  suppression: 'sup',
  role: 'rol',
  invitation: 'inv',
  session: 'ses',
  passkey: 'pky',
  security: 'sec',
  audit: 'aud',
  backup: 'bak',
} as const
export type IdKind = keyof typeof ID_PREFIXES
export const isIdKind = (kind: string): kind is IdKind => Object.hasOwn(ID_PREFIXES, kind)

declare const brand: unique symbol
type Branded<K extends IdKind> = number & { readonly [brand]: K }
export type Id<K extends IdKind> = Branded<K>
export type MessageId = Id<'message'>
export type DeliveryId = Id<'delivery'>
export type EventId = Id<'event'>
export type TenantId = Id<'tenant'>
export type DomainId = Id<'domain'>
export type CredentialId = Id<'credential'>
export type KeyId = Id<'key'>
export type SourceId = Id<'source'>
export type PoolId = Id<'pool'>
export type RouteId = Id<'route'>
export type LaneId = Id<'lane'>
export type UserId = Id<'user'>
export type RoleId = Id<'role'>
export type InvitationId = Id<'invitation'>
export type SessionId = Id<'session'>
export type PasskeyId = Id<'passkey'>

/** Marks a number read from the database (or just allocated) as a key of its kind. */
export const asId = <K extends IdKind>(_kind: K, value: number): Id<K> => value as Id<K>

/** The smallest key that a row made at `at` (epoch ms) can have. */
export const firstIdAt = (at: number): number => Math.max(0, at - ID_EPOCH) * IDS_PER_MS

/** When the row with this key was made, epoch ms. */
export const idTime = (id: number): number => Math.floor(id / IDS_PER_MS) + ID_EPOCH

// Crockford base32: no I, L, O, U, so that an id survives being read aloud.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const WIDTH = 11

/** `encodeId('message', 42)` → `msg_0000000001a`. */
export function encodeId(kind: IdKind, id: number): string {
  let text = ''
  let rest = id
  for (let i = 0; i < WIDTH; i++) {
    text = ALPHABET[rest % 32]! + text
    rest = Math.floor(rest / 32)
  }
  return `${ID_PREFIXES[kind]}_${text}`
}

/** The key inside an outside id, or undefined when the text is not an id of that kind. */
export function decodeId<K extends IdKind>(kind: K, text: string): Id<K> | undefined {
  const prefix = `${ID_PREFIXES[kind]}_`
  if (!text.startsWith(prefix) || text.length !== prefix.length + WIDTH) return undefined
  let id = 0
  for (const letter of text.slice(prefix.length).toLowerCase()) {
    const digit = ALPHABET.indexOf(letter)
    if (digit < 0) return undefined
    id = id * 32 + digit
  }
  return Number.isSafeInteger(id) ? (id as Id<K>) : undefined
}
