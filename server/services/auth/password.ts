/**
 * Passwords at rest and at the door: Argon2id, a bounded number at a time, and the same work whether or not the
 * account exists. What makes a password good enough is in password-rules.ts.
 */
import { hash as argon2Hash, parseOptions, verify as argon2Verify } from '@node-rs/argon2'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'
import { MAX_CODE_POINTS, normalPassword } from './password-rules.ts'

/**
 * More than either of the pairs that OWASP names as equal minimum (46 MiB and 1 pass, 19 MiB and 2 passes): 30 ms and
 * 46 MiB for each guess. One lane, since the work of one sign-in should not spread over all cores.
 */
export const ARGON2 = { memoryCost: 47_104, timeCost: 2, parallelism: 1 } as const

/**
 * Each one holds a thread of the pool of four that also signs mail and reads files, and 46 MiB. So two at a time, and a
 * line that is worked off within about a second; who comes on top is told to come again.
 */
const AT_ONCE = 2
const MOST_WAITING = 64
const COME_AGAIN_MS = 2_000

const SALT_BYTES = 16
const HASH_BYTES = 32

export interface Verified {
  readonly right: boolean
  /** The password hashed anew, to be kept in place of the old hash; only when that one was made with other parameters. */
  readonly rehashed: string | undefined
}

export interface Passwords {
  /** PHC text, `$argon2id$…`. RATE_LIMITED when too many wait. */
  hash(text: string): Promise<string>
  /**
   * `hash` undefined: an account that does not exist or has no password; takes the same time and is never right.
   * RATE_LIMITED when too many wait, before any work.
   */
  verify(hash: string | undefined, text: string): Promise<Verified>
  readonly load: { readonly running: number; readonly waiting: number }
}

export function makePasswords({ random }: { readonly random: Random }): Passwords {
  const nobody = hashOfNobody(random)
  const load = { running: 0, waiting: 0 }
  const line: (() => void)[] = []

  /** One place among those that work at the same time; whoever ends hands it to the first in line. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (load.running < AT_ONCE) load.running++
    else {
      if (line.length >= MOST_WAITING)
        throw new AppError('RATE_LIMITED', { retryAfterMs: COME_AGAIN_MS })
      load.waiting++
      await new Promise<void>((resolve) => line.push(resolve))
      load.waiting--
    }
    try {
      return await work()
    } finally {
      const next = line.shift()
      if (next === undefined) load.running--
      else next()
    }
  }

  return {
    load,
    hash: (text) => inTurn(() => argon2Hash(normalPassword(text), ARGON2)),
    verify: (hash, text) =>
      inTurn(async () => {
        // Nothing that long was ever set; normalising a megabyte would only be work for us.
        const isPossible = text.length <= 2 * MAX_CODE_POINTS
        const password = normalPassword(isPossible ? text : '')
        const matches = await argon2Verify(hash ?? nobody, password)
        const right = matches && isPossible && hash !== undefined
        const isOld = right && !isCurrent(hash)
        return { right, rehashed: isOld ? await argon2Hash(password, ARGON2) : undefined }
      }),
  }
}

function isCurrent(hash: string): boolean {
  const { memoryCost, timeCost, parallelism } = parseOptions(hash)
  return (
    memoryCost === ARGON2.memoryCost &&
    timeCost === ARGON2.timeCost &&
    parallelism === ARGON2.parallelism
  )
}

/** Well-formed, of today's parameters, and random where the result stands: no password has it. */
export function hashOfNobody(random: Random): string {
  const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')
  const { memoryCost, timeCost, parallelism } = ARGON2
  const costs = `m=${memoryCost},t=${timeCost},p=${parallelism}`
  return `$argon2id$v=19$${costs}$${base64(random.bytes(SALT_BYTES))}$${base64(random.bytes(HASH_BYTES))}`
}
