/** Counts open connections: in all, per client address, and per login. It counts; saying no is the caller's part. */
import type { CredentialId } from '../core/ids.ts'
import { clientKey } from '../core/network.ts'

export interface ConnectionLimits {
  /** Counts the connection, or says which limit refused it (then it is not counted). */
  admit(address: string): 'admitted' | 'total' | 'address'
  release(address: string): void
  /** False: the login has `most` sessions already, and this one was not counted. */
  admitLogin(credential: CredentialId, most: number): boolean
  releaseLogin(credential: CredentialId): void
  readonly open: number
}

export function makeConnectionLimits(most: {
  readonly connections: number
  readonly perAddress: number
}): ConnectionLimits {
  const addresses = new Map<string, number>()
  const logins = new Map<CredentialId, number>()
  let open = 0
  return {
    get open() {
      return open
    },
    admit(address) {
      if (open >= most.connections) return 'total'
      if (!take(addresses, clientKey(address), most.perAddress)) return 'address'
      open++
      return 'admitted'
    },
    release(address) {
      open--
      give(addresses, clientKey(address))
    },
    admitLogin: (credential, allowed) => take(logins, credential, allowed),
    releaseLogin: (credential) => {
      give(logins, credential)
    },
  }
}

function take<K>(counts: Map<K, number>, key: K, most: number): boolean {
  const count = counts.get(key) ?? 0
  if (count >= most) return false
  counts.set(key, count + 1)
  return true
}

function give<K>(counts: Map<K, number>, key: K): void {
  const count = counts.get(key) ?? 0
  if (count <= 1) counts.delete(key)
  else counts.set(key, count - 1)
}
