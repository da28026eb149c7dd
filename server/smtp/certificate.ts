/**
 * The certificate for STARTTLS and implicit TLS: the configured files, or a self-signed one that is made once and kept
 * in the data directory. A key is written with mode 0600 and never logged.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import type { Clock } from '../core/ports.ts'
import { parseCertificate, readCertificate } from '../services/certificate.ts'
import type { Certificate, CertificateFiles } from '../services/certificate.ts'

const DAY_MS = 86_400_000
/** Clients that pin it should not have to learn it anew. */
const VALID_MS = 10 * 365 * DAY_MS
/** A self-signed one is replaced this long before it ends. */
const RENEW_BEFORE_MS = 30 * DAY_MS

export interface CertificateOptions {
  readonly dataDir: string
  /** Name the self-signed certificate is made for. */
  readonly hostname: string
  readonly clock: Clock
  /** Configured PEM files; undefined: self-signed. */
  readonly files: CertificateFiles | undefined
}

/** Throws CONFIG_INVALID when configured files cannot be read, or do not belong together. */
export async function loadCertificate(options: CertificateOptions): Promise<Certificate> {
  if (options.files !== undefined) return readCertificate(options.files)
  const directory = join(options.dataDir, 'tls')
  const key = join(directory, 'self-signed.key')
  const cert = join(directory, 'self-signed.crt')
  const kept = await readKept(key, cert)
  if (kept !== undefined && isUsable(kept, options.hostname, options.clock.now())) return kept
  const made = await makeCertificate(options.hostname, options.clock.now())
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await replace(key, made.key, 0o600)
  await replace(cert, made.cert, 0o644)
  return made
}

/** The two need not be a pair: a crash between the two files, a file edited by hand. */
async function readKept(keyFile: string, certFile: string): Promise<Certificate | undefined> {
  try {
    return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8') }
  } catch {
    return undefined
  }
}

function isUsable(pair: Certificate, hostname: string, now: number): boolean {
  const certificate = parseCertificate(pair)
  if (certificate === undefined) return false
  const isNamed =
    isIP(hostname) === 0
      ? certificate.checkHost(hostname) !== undefined
      : certificate.checkIP(hostname) !== undefined
  return isNamed && Date.parse(certificate.validTo) - RENEW_BEFORE_MS > now
}

async function makeCertificate(hostname: string, now: number): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: hostname }], {
    // P-256: every client of the last ten years knows it, and a handshake costs a tenth of RSA-2048.
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - DAY_MS),
    notAfterDate: new Date(now + VALID_MS),
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          isIP(hostname) === 0 ? { type: 2, value: hostname } : { type: 7, ip: hostname },
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  })
  return { key: made.private, cert: made.cert }
}

/** Whole or not at all, even when the machine stops half-way. */
async function replace(file: string, text: string, mode: number): Promise<void> {
  const draft = `${file}.new`
  await writeFile(draft, text, { mode })
  await rename(draft, file)
}
