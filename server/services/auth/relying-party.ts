/**
 * Which site passkeys belong to (WebAuthn calls it the relying party): the name people reach this installation under.
 * A browser ties every passkey to that name, so a change of `http.publicUrl` to another name makes them useless.
 */
import { isIP } from 'node:net'

export interface RelyingParty {
  /** Host name without port. */
  readonly id: string
  /** As the browser writes it: scheme, host, port if unusual. */
  readonly origin: string
}

export type RelyingPartyResult =
  | { readonly ok: true; readonly party: RelyingParty }
  /** Why there can be no passkeys, and what to do about it. */
  | { readonly ok: false; readonly problem: string }

/** Browsers offer passkeys to a secure context only, and never under a bare address (WebAuthn §5.1.2, §7). */
export function relyingPartyOf(publicUrl: string): RelyingPartyResult {
  if (!URL.canParse(publicUrl)) return { ok: false, problem: 'http.publicUrl is not a URL.' }
  const url = new URL(publicUrl)
  const host = url.hostname
  const isLocal = host === 'localhost' || host.endsWith('.localhost')
  if (isIP(host.replaceAll(/[[\]]/g, '')) !== 0)
    return {
      ok: false,
      problem: `Passkeys need a name, and ${host} is an address. Set http.publicUrl to a name, or use ${local(url)} on this machine.`,
    }
  if (url.protocol !== 'https:' && !isLocal)
    return {
      ok: false,
      problem: `Passkeys need HTTPS. Set http.publicUrl to https://${host}, or use ${local(url)} on this machine.`,
    }
  return { ok: true, party: { id: host, origin: url.origin } }
}

const local = ({ port }: URL): string => `http://localhost${port === '' ? '' : `:${port}`}`
