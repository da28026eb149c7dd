/**
 * Remembers hosts whose TLS is broken, so that opportunistic sessions do not fail the same handshake on every
 * connection. No I/O and no clock: the caller says what time it is. Never consulted where TLS is required.
 */

/** Three days, the usual practice: long enough to save handshakes, short enough to notice a repair. */
export const BROKEN_TLS_MS = 3 * 86_400_000
const MAX_HOSTS = 10_000

export interface TlsMemory {
  /** TLS of `host` (lower case name) is not tried before `until`, epoch ms. */
  remember(host: string, until: number): void
  isBroken(host: string, now: number): boolean
}

/** Holds at most `maxHosts`; the one remembered first is forgotten first, which costs it one failed handshake. */
export function createTlsMemory(maxHosts = MAX_HOSTS): TlsMemory {
  const brokenUntil = new Map<string, number>()
  return {
    remember(host, until) {
      brokenUntil.delete(host) // to the end of the insertion order
      brokenUntil.set(host, until)
      if (brokenUntil.size <= maxHosts) return
      for (const oldest of brokenUntil.keys()) {
        brokenUntil.delete(oldest)
        break
      }
    },
    isBroken(host, now) {
      const until = brokenUntil.get(host)
      if (until === undefined) return false
      if (now < until) return true
      brokenUntil.delete(host)
      return false
    },
  }
}
