/** The certificate: made once, kept private, replaced when it no longer serves, and never instead of a configured one. */
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadCertificate } from '../../../server/smtp/certificate.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { manualClock } from '../../support/clock.ts'

let dataDir = ''
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'posthorn-tls-'))
})
afterEach(() => rm(dataDir, { recursive: true }))

const load = (hostname = 'mail.example.com', clock = manualClock()) =>
  loadCertificate({ dataDir, hostname, clock, files: undefined })

test('it is made for the host name and loopback, and only the owner may read its key', async () => {
  const { cert } = await load()
  const parsed = new X509Certificate(cert)
  expect(parsed.checkHost('mail.example.com')).toBe('mail.example.com')
  expect(parsed.checkHost('localhost')).toBe('localhost')
  expect(parsed.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect((await stat(join(dataDir, 'tls/self-signed.key'))).mode & 0o777).toBe(0o600)
})

test('it is the same the next time', async () => {
  const first = await load()
  expect(await load()).toEqual(first)
})

test('it is made anew for another name, near its end, and when its files do not match', async () => {
  const first = await load()
  const other = await load('other.example.com')
  expect(other.cert).not.toBe(first.cert)
  const clock = manualClock()
  await clock.advance(10 * 365 * 86_400_000)
  const renewed = await load('other.example.com', clock)
  expect(renewed.cert).not.toBe(other.cert)
  await writeFile(join(dataDir, 'tls/self-signed.key'), other.key)
  expect((await load('other.example.com', clock)).cert).not.toBe(renewed.cert)
})

test('configured files are taken, or refused by name', async () => {
  const pair = await makeCertificate(['mail.example.com'])
  const stranger = await makeCertificate(['mail.example.com'])
  const key = join(dataDir, 'a.key')
  const cert = join(dataDir, 'a.crt')
  const configured = () =>
    loadCertificate({
      dataDir,
      hostname: 'x.example',
      clock: manualClock(),
      files: { key, cert },
    })
  await expect(configured()).rejects.toThrow('a.key cannot be read')
  await writeFile(key, pair.key)
  await writeFile(cert, pair.cert)
  expect(await configured()).toEqual(pair)
  await writeFile(key, stranger.key)
  await expect(configured()).rejects.toThrow('are not a PEM certificate and its')
})
