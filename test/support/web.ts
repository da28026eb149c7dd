/**
 * A small internet for tests: names come from a real name server stub, every address leads to one HTTP and one HTTPS
 * server on loopback, and what was dialled is noted. So 192.0.2.x can stand for a public host and 127.0.0.1 for what
 * must not be reached; a request that reaches the server anyway is seen there.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { onTestFinished } from 'vitest'
import { makeDnsClient } from '../../dns/client.ts'
import type { DnsClient } from '../../dns/client.ts'
import type { Dialer } from '../../server/core/ports.ts'
import { guardedFetch } from '../../server/delivery/http/guarded.ts'
import type { FetchDeps, Fetched, FetchRequest } from '../../server/delivery/http/guarded.ts'
import { realClock, realRandom } from '../../server/ports.ts'
import { makeCertificate } from './certificate.ts'
import { dial as dialReally } from './dial.ts'
import { startDnsStub } from './dns-stub.ts'
import type { DnsStub, StubZones } from './dns-stub.ts'

export interface Web {
  readonly dns: DnsStub
  readonly resolver: DnsClient
  readonly dial: Dialer
  /** `address:port` in order. */
  readonly dialled: string[]
  /** Requests that arrived: `http://host/path` as they said it. */
  readonly hits: readonly string[]
  readonly requests: readonly IncomingMessage[]
  /** Believes the HTTPS server's certificate. */
  readonly trust: SecureContext
  readonly certificate: string
  fetch(request: FetchRequest, deps?: Partial<FetchDeps>): Promise<Fetched>
}

export interface WebOptions {
  readonly zones?: StubZones
  /** Of the certificate. */
  readonly names?: readonly string[]
  readonly answer?: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void
}

/** Ends with the test. */
export async function startWeb(options: WebOptions = {}): Promise<Web> {
  const certificate = await makeCertificate(options.names ?? ['good.test'])
  const hits: string[] = []
  const requests: IncomingMessage[] = []
  const listener =
    (scheme: string): RequestListener =>
    (request, response) => {
      hits.push(`${scheme}://${request.headers.host ?? ''}${request.url ?? ''}`)
      requests.push(request)
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        if (options.answer === undefined) response.end('here')
        else options.answer(request, response, Buffer.concat(chunks))
      })
    }
  const plain = createServer(listener('http'))
  const secure = createTlsServer(certificate, listener('https'))
  const dns = await startDnsStub(options.zones)
  const ports = [await listen(plain), await listen(secure)]
  const dialled: string[] = []
  const dial: Dialer = (request) => {
    dialled.push(`${request.host}:${request.port}`)
    const port = request.port === 80 ? ports[0]! : request.port === 443 ? ports[1]! : request.port
    return dialReally({ ...request, host: '127.0.0.1', port })
  }
  const resolver = makeDnsClient({
    clock: realClock,
    random: realRandom,
    servers: [dns.address],
    timeoutsMs: [300],
  })
  const trust = createSecureContext({ ca: certificate.cert })
  onTestFinished(async () => {
    resolver.close()
    for (const server of [plain, secure]) {
      server.closeAllConnections()
      server.close()
    }
    await dns.close()
  })
  return {
    dns,
    resolver,
    dial,
    dialled,
    hits,
    requests,
    trust,
    certificate: certificate.cert,
    fetch: (request, deps = {}) =>
      guardedFetch(request, {
        resolver,
        random: realRandom,
        clock: realClock,
        dial,
        allowPrivateNetworks: false,
        trust,
        ...deps,
      }),
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  )
