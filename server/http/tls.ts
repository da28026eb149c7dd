/**
 * TLS of the HTTP listener, with the operator's certificate. A file that is renewed is taken up within a minute, or at
 * once by `reload`; one that is broken or half replaced is logged, and what works is kept. Keys are never logged.
 */
import { stat } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { FastifyServerFactory } from 'fastify'
import type { Clock, Log, Timer } from '../core/ports.ts'
import { parseCertificate, readCertificate } from '../services/certificate.ts'
import type { Certificate, CertificateFiles } from '../services/certificate.ts'

const LOOK_MS = 60_000
/** RFC 8996 forbids what is older. */
const MIN_VERSION = 'TLSv1.2'
/** A client that connects and says nothing, ms. */
const HANDSHAKE_MS = 15_000

/** What fastify sets on a server that it makes itself, ms. */
export interface ServerTimes {
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** A socket on which nothing moves at all. */
  readonly connectionTimeoutMs: number
}

export interface HttpTls {
  serverFactory(times: ServerTimes): FastifyServerFactory
  /** Reads the files now. Resolves when connections are made with what is in them, if that is any good. */
  reload(): Promise<void>
  /** Looks at the files no more. */
  close(): void
}

/** Throws CONFIG_INVALID when the files cannot be read, or do not belong together. */
export async function openTls({
  files,
  clock,
  log,
}: {
  readonly files: CertificateFiles
  readonly clock: Clock
  readonly log: Log
}): Promise<HttpTls> {
  let seen = await marksOf(files)
  let current = await readCertificate(files)
  const users = new Set<(pair: Certificate) => void>()
  let timer: Timer | undefined
  let isClosed = false

  async function reload(): Promise<void> {
    seen = await marksOf(files)
    try {
      const pair = await readCertificate(files)
      if (pair.cert === current.cert && pair.key === current.key) return
      current = pair
      for (const use of users) use(pair)
      const until = parseCertificate(pair)?.validTo
      log.info({ evt: 'http-certificate', until }, 'certificate renewed')
    } catch (err) {
      log.error({ evt: 'http-certificate', err }, 'new certificate not usable; the old one is kept')
    }
  }
  function look(): void {
    timer = clock.after(LOOK_MS, () => {
      void marksOf(files)
        .then((marks) => (marks === seen ? undefined : reload()))
        .then(() => (isClosed ? undefined : look()))
    })
  }
  look()

  return {
    serverFactory: (times) => (handler) => {
      const server = createServer(
        { ...current, minVersion: MIN_VERSION, handshakeTimeout: HANDSHAKE_MS },
        handler,
      )
      server.requestTimeout = times.requestTimeoutMs
      server.keepAliveTimeout = times.keepAliveTimeoutMs
      server.setTimeout(times.connectionTimeoutMs)
      // Connections that are open stay as they are.
      const use = (pair: Certificate): void =>
        server.setSecureContext({ ...pair, minVersion: MIN_VERSION })
      users.add(use)
      server.once('close', () => users.delete(use))
      return server
    },
    reload,
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}

/** Changes when one of the files does; following links, as ACME clients make them. Never rejects. */
async function marksOf({ cert, key }: CertificateFiles): Promise<string> {
  const marks = [cert, key].map(async (file) => {
    try {
      const { mtimeMs, size, ino } = await stat(file)
      return `${mtimeMs}/${size}/${ino}`
    } catch {
      return 'gone'
    }
  })
  return (await Promise.all(marks)).join(' ')
}
