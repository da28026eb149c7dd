/** What the machine offers: listeners, data directory, disk, clock, certificate. Pure judgements over probed facts. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { fail, ok, unknown, warn, type Finding } from './finding.ts'

const DAY_MS = 86_400_000
/** Free room below this many times the least is worth a word. */
const ROOM_WARNING = 4

export interface ListenerFacts {
  /** The setting that names it: `http.listen`. */
  readonly setting: string
  readonly address: string
  /** Error code of an attempt to listen there; undefined: it was free. */
  readonly refusal: string | undefined
  /** Process of the server that works on this data directory. */
  readonly holder: number | undefined
  /** Servers that share a broker hold no lock, so whoever listens may be one of them. */
  readonly mayBeOurs: boolean
}

export function judgeListener(facts: ListenerFacts): Finding {
  const { setting, address, refusal, holder } = facts
  const topic = `listener ${address}`
  const otherAddress = `choose another address: ${setting}`
  switch (refusal) {
    case undefined:
      return holder === undefined
        ? ok(topic, 'is free')
        : warn(
            topic,
            `is free, though a server (process ${holder}) works on this data directory`,
            'restart the server: it listens elsewhere, or does not take this role',
          )
    case 'EADDRINUSE':
      if (holder !== undefined)
        return ok(topic, `is held by the running server (process ${holder})`)
      if (facts.mayBeOurs)
        return ok(topic, 'is in use, by a running server of ours if there is one')
      return fail(topic, 'is in use by another program', `stop that program, or ${otherAddress}`)
    case 'EACCES':
      return fail(
        topic,
        'may not be used by this user',
        `give the program CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or ${otherAddress}`,
      )
    case 'EADDRNOTAVAIL':
      return fail(topic, 'is no address of this machine', otherAddress)
    default:
      return fail(topic, `cannot be used (${refusal})`, otherAddress)
  }
}

export type DataDirFacts =
  | { readonly kind: 'missing'; readonly canBeMade: boolean }
  | { readonly kind: 'no-directory' }
  | {
      readonly kind: 'there'
      /** Permission bits, such as 0o700. */
      readonly mode: number
      readonly writable: boolean
    }

export function judgeDataDir(dataDir: string, facts: DataDirFacts): Finding {
  const topic = 'data directory'
  switch (facts.kind) {
    case 'missing':
      return facts.canBeMade
        ? ok(topic, `${dataDir} is made at the first start`)
        : fail(
            topic,
            `${dataDir} cannot be made`,
            `make it: mkdir -m 700 ${dataDir}, owned by the user of the server`,
          )
    case 'no-directory':
      return fail(topic, `${dataDir} is no directory`, 'name another one: dataDir')
    case 'there':
      if (!facts.writable)
        return fail(
          topic,
          `${dataDir} cannot be written`,
          `chown it to the user of the server: chown -R <user> ${dataDir}`,
        )
      if ((facts.mode & 0o077) !== 0)
        return warn(
          topic,
          `${dataDir} can be read by others (mode ${facts.mode.toString(8)}): mail and keys are in it`,
          `chmod 700 ${dataDir}`,
        )
      return ok(topic, `${dataDir} is writable and private`)
  }
}

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`

export function judgeDisk(freeBytes: number, leastBytes: number): Finding {
  const topic = 'disk'
  const fix = 'make room, or move dataDir to a larger disk'
  const says = `${gib(freeBytes)} free`
  if (freeBytes < leastBytes) return fail(topic, `${says}: no mail is accepted`, fix)
  if (freeBytes < leastBytes * ROOM_WARNING)
    return warn(topic, `${says}: below ${gib(leastBytes)} no mail is accepted`, fix)
  return ok(topic, says)
}

/** `mode` undefined: there is no key. */
export function judgeMasterKey(mode: number | undefined, hasDatabase: boolean): Finding {
  const topic = 'master key'
  if (mode === undefined)
    return hasDatabase
      ? fail(
          topic,
          'is missing: sealed secrets cannot be read, and no login works',
          'posthorn restore <backup>, which brings its key along; master.key alone stands in no backup in clear',
        )
      : ok(topic, 'is made at the first start')
  if ((mode & 0o077) !== 0)
    return fail(
      topic,
      `can be read by others (mode ${mode.toString(8)})`,
      'chmod 600 master.key in the data directory',
    )
  return ok(topic, 'is there and private')
}

/** `synchronized` undefined: nobody here can tell. */
export function judgeClock(now: number, synchronized: string | undefined): Finding {
  const topic = 'clock'
  const year = new Date(now).getUTCFullYear()
  const fix = 'set the clock and keep it right: systemd-timesyncd or chrony'
  if (year < 2025 || year > 2100)
    return fail(topic, `says the year ${year}: signatures and expiry are wrong`, fix)
  if (synchronized === undefined)
    return unknown(topic, 'looks sane; whether something keeps it right cannot be seen from here')
  return ok(topic, `is kept right by ${synchronized}`)
}

/** PEM texts; undefined: none is configured. `of` is the section that names them. */
export function judgeCertificate(
  pair: { readonly cert: string; readonly key: string } | undefined,
  now: number,
  of: 'http' | 'submission' = 'submission',
): Finding {
  const topic = of === 'http' ? 'certificate of HTTP' : 'certificate'
  if (pair === undefined)
    return ok(
      topic,
      'none is configured: submission uses a self-signed one, which clients must be told to trust',
    )
  const fix = `set ${of}.certificate and ${of}.key to a PEM chain and its unencrypted key`
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pair.cert)
    if (!certificate.checkPrivateKey(createPrivateKey(pair.key)))
      return fail(topic, 'does not belong to its key', fix)
  } catch {
    return fail(topic, 'or its key is not valid PEM', fix)
  }
  const from = Date.parse(certificate.validFrom)
  const to = Date.parse(certificate.validTo)
  const day = new Date(to).toISOString().slice(0, 10)
  const renew =
    of === 'http' ? 'renew it; the server takes it by itself' : 'renew it, then restart the server'
  if (now < from)
    return fail(topic, `is not valid before ${certificate.validFrom}`, 'look at the clock')
  if (now > to) return fail(topic, `ended on ${day}`, renew)
  if (to - now < 14 * DAY_MS) return warn(topic, `ends on ${day}`, renew)
  return ok(topic, `is valid until ${day}`)
}
