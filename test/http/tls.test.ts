/** TLS of the HTTP listener from files: handshakes over real sockets, renewal, and files that are broken. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openTls } from '../../server/http/tls.ts'
import type { HttpTls } from '../../server/http/tls.ts'
import { makeCertificate } from '../support/certificate.ts'
import type { Certificate } from '../support/certificate.ts'
import { manualClock } from '../support/clock.ts'
import type { ManualClock } from '../support/clock.ts'
import { recordingLog } from '../support/log.ts'
import type { RecordingLog } from '../support/log.ts'
import { bareApp } from './bare.ts'

const TIMES = {
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 72_000,
  connectionTimeoutMs: 144_000,
}
const NAME = 'mail.test'

let first: Certificate
let second: Certificate
let directory: string
beforeAll(async () => {
  first = await makeCertificate([NAME])
  second = await makeCertificate([NAME])
  directory = mkdtempSync(join(tmpdir(), 'posthorn-tls-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const files = () => ({ cert: join(directory, 'chain.pem'), key: join(directory, 'key.pem') })

function write({ cert, key }: Certificate): void {
  writeFileSync(files().cert, cert)
  writeFileSync(files().key, key)
}

interface Server {
  readonly tls: HttpTls
  readonly port: number
  readonly clock: ManualClock
  readonly log: RecordingLog
}

async function serve(pair: Certificate): Promise<Server> {
  write(pair)
  const [clock, log] = [manualClock(), recordingLog()]
  const tls = await openTls({ files: files(), clock, log })
  onTestFinished(() => tls.close())
  const { app } = await bareApp((scope) => scope.get('/', ({ protocol }) => ({ protocol })), {
    serverFactory: tls.serverFactory(TIMES),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { tls, port: (app.server.address() as AddressInfo).port, clock, log }
}

/** Resolves when a client that believes only `ca` gets through. */
const shakes = (port: number, ca: Certificate, options = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(
      { port, host: '127.0.0.1', servername: NAME, ca: ca.cert, ...options },
      () => {
        resolve(socket.getProtocol() ?? '')
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })

/** Until the watcher's reading of the disk has come to its end; a minute has passed before. */
async function untilLogged(log: RecordingLog): Promise<void> {
  while (log.of('http-certificate').length === 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
}

test('speaks TLS, says so to the routes, and sends HSTS', async () => {
  const { port } = await serve(first)
  const answer = await new Promise<{ hsts: unknown; body: string }>((resolve, reject) => {
    const request = get(
      { port, host: '127.0.0.1', servername: NAME, ca: first.cert, agent: false },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => (body += text))
        response.on('end', () =>
          resolve({ hsts: response.headers['strict-transport-security'], body }),
        )
      },
    )
    request.on('error', reject)
  })
  expect(answer).toEqual({ hsts: 'max-age=31536000', body: '{"protocol":"https"}' })
})

test('1.2 is the oldest version it speaks', async () => {
  const { port } = await serve(first)
  expect(await shakes(port, first)).toBe('TLSv1.3')
  expect(await shakes(port, first, { maxVersion: 'TLSv1.2' })).toBe('TLSv1.2')
  // The client would; security level 0 lets it try.
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
  await expect(shakes(port, first, old)).rejects.toThrow(/protocol version|alert/)
})

test('a renewed pair is taken up within a minute, without a restart', async () => {
  const { port, clock, log } = await serve(first)
  write(second)
  await expect(shakes(port, second)).rejects.toThrow()
  await clock.advance(60_000)
  await untilLogged(log)
  expect(log.of('http-certificate')).toMatchObject([{ level: 'info' }])
  await shakes(port, second)
  await expect(shakes(port, first)).rejects.toThrow()
})

test('files that did not change are left alone', async () => {
  const { clock, log } = await serve(first)
  for (let minute = 0; minute < 3; minute++) await clock.advance(60_000)
  expect(log.lines).toEqual([])
})

test.each<[why: string, spoil: () => void]>([
  ['is no PEM', () => writeFileSync(files().cert, 'half a fi')],
  ['is of another key', () => writeFileSync(files().cert, second.cert)],
  ['is gone', () => rmSync(files().cert)],
])(
  'a certificate that %s is logged once, and the old one is kept until there is a good one',
  async (_why, spoil) => {
    const { port, tls, clock, log } = await serve(first)
    spoil()
    await clock.advance(60_000)
    await untilLogged(log)
    await clock.advance(120_000)
    expect(log.of('http-certificate')).toMatchObject([{ level: 'error' }])
    expect(JSON.stringify(log.lines)).not.toContain('PRIVATE KEY')
    await shakes(port, first)
    write(second)
    await tls.reload()
    await shakes(port, second)
  },
)

test('closed, it looks no more', async () => {
  const { tls, clock } = await serve(first)
  tls.close()
  expect(clock.pending()).toBe(0)
})

test.each([
  ['no such file', { cert: '/nowhere/chain.pem', key: '/nowhere/key.pem' }, 'cannot be read'],
  ['no PEM', undefined, 'are not a PEM certificate'],
])('does not start with %s', async (_why, paths, complaint) => {
  write({ cert: 'x', key: 'y' })
  const opening = openTls({ files: paths ?? files(), clock: manualClock(), log: recordingLog() })
  await expect(opening).rejects.toThrow(complaint)
})
