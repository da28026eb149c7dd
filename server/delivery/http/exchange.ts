/**
 * One HTTP request to one checked target and its response. It dials the very address that was checked, never a name,
 * so that a second answer of a name server changes nothing; and it takes in no more than it was told to.
 */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { Resolver } from '../../core/dns.ts'
import type { Clock, Dialer, Random } from '../../core/ports.ts'
import { findAddresses } from '../addresses.ts'
import type { Cut } from './cut.ts'
import { codeOf, failure } from './fault.ts'
import type { FetchFailure } from './fault.ts'
import type { RequestHeader } from './request-header.ts'
import type { Target } from './target.ts'

export interface ExchangeDeps {
  readonly resolver: Resolver
  readonly random: Random
  readonly clock: Clock
  readonly dial: Dialer
  /** For closed networks and tests: private targets are dialled, too. */
  readonly allowPrivateNetworks: boolean
  /** Whose certificates count; undefined: the public authorities. */
  readonly trust: SecureContext | undefined
}

export interface Exchange {
  readonly target: Target
  readonly method: 'GET' | 'POST'
  readonly header: RequestHeader
  readonly body: Buffer | undefined
  readonly maxBytes: number
  readonly connectMs: number
  readonly headerMs: number
  /** A response whose body nobody wants: it is cut off there. */
  readonly isHeadOnly: (response: ResponseHead) => boolean
}

export interface ResponseHead {
  readonly status: number
  /** Names in lower case; repeated fields joined by `, `. Values are what the remote sent: hostile text. */
  readonly headers: ReadonlyMap<string, string>
}
export interface Response extends ResponseHead {
  readonly ok: true
  readonly body: Buffer
}

/** Resolves with the response, or with why there is none. Rejects only for a bug. */
export async function exchange(
  hop: Exchange,
  deps: ExchangeDeps,
  cut: Cut,
): Promise<Response | FetchFailure> {
  const { target } = hop
  const looked = findAddresses(target.host, {
    resolver: deps.resolver,
    random: deps.random,
    allowPrivateNetworks: deps.allowPrivateNetworks,
    // What speaks against IPv6 for mail is reputation, which a web server does not ask for.
    ipv6: 'fallback',
  })
  const found = await cut.orCut(looked, () => undefined)
  if ('ok' in found) return found
  if (found.kind === 'failed') {
    return failure(found.fault === 'private-target' ? 'private-address' : 'dns', found.detail)
  }
  const plain = await dialFirst(found.addresses, hop, deps.dial, cut)
  if ('ok' in plain) return plain
  const stop = cut.onCut(() => plain.destroy())
  try {
    const socket = target.secure ? await secured(plain, hop, deps.trust, cut) : plain
    return 'ok' in socket ? socket : await converse(socket, hop, cut)
  } finally {
    stop()
    plain.destroy()
  }
}

/** The first of the checked addresses that takes a connection. */
async function dialFirst(
  addresses: readonly string[],
  { target, connectMs }: Exchange,
  dial: Dialer,
  cut: Cut,
): Promise<Socket | FetchFailure> {
  let last = failure('refused', 'no address')
  for (const host of addresses) {
    if (cut.isOver) break
    const dialled = dial({
      host,
      port: target.port,
      localAddress: undefined,
      timeoutMs: connectMs,
    }).catch((error: unknown) => {
      const code = codeOf(error)
      return failure(code === 'ETIMEDOUT' ? 'timeout' : 'refused', `${host}: ${code}`)
    })
    const socket = await cut.orCut(dialled, (late) => {
      if (!('ok' in late)) late.destroy()
    })
    if ('ok' in socket) last = socket
    else {
      // Whatever happens to it later is told by what speaks over it; unheard, an error would end the process.
      socket.on('error', () => undefined)
      return socket
    }
  }
  return last
}

/** TLS with a certificate that proves the name of the URL. */
async function secured(
  plain: Socket,
  { target, connectMs }: Exchange,
  trust: SecureContext | undefined,
  cut: Cut,
): Promise<Socket | FetchFailure> {
  const stop = cut.within(connectMs, 'the TLS handshake')
  const socket = tlsConnect({
    socket: plain,
    // The certificate is verified against it; SNI carries names only.
    host: target.host,
    ...(target.isAddress ? {} : { servername: target.host }),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
    ...(trust === undefined ? {} : { secureContext: trust }),
  })
  const ready = new Promise<Socket | FetchFailure>((resolve) => {
    socket.once('secureConnect', () => resolve(socket))
    socket.on('error', (error) => resolve(failure('tls', codeOf(error))))
    socket.once('close', () => resolve(failure('tls', 'closed in the handshake')))
  })
  const result = await cut.orCut(ready, () => undefined)
  stop()
  return result
}

function converse(
  socket: Socket,
  { target, method, header, body, headerMs, maxBytes, isHeadOnly }: Exchange,
  cut: Cut,
): Promise<Response | FetchFailure> {
  return new Promise((settle) => {
    const stopHeader = cut.within(headerMs, 'the header')
    let stopCut = (): void => undefined
    function finish(result: Response | FetchFailure): void {
      stopHeader()
      stopCut()
      socket.destroy()
      settle(result)
    }
    stopCut = cut.onCut(finish)
    const request = httpRequest({
      // With a connection of its own there is no agent, so nothing is kept open or shared.
      createConnection: () => socket,
      method,
      path: target.path,
      setHost: false,
      headers: {
        host: target.authority,
        ...header,
        'accept-encoding': 'identity',
        ...(body === undefined ? {} : { 'content-length': body.length }),
      },
    })
    request.on('error', (error) => finish(failureOf(error)))
    request.once('close', () => finish(failure('lost', 'closed without a response')))
    request.once('response', (message) => {
      stopHeader()
      receive(message, maxBytes, isHeadOnly, finish)
    })
    request.end(body)
  })
}

/** Only the first result counts. */
function receive(
  message: IncomingMessage,
  maxBytes: number,
  isHeadOnly: Exchange['isHeadOnly'],
  finish: (result: Response | FetchFailure) => void,
): void {
  const head: ResponseHead = { status: message.statusCode ?? 0, headers: fieldsOf(message) }
  const done = (body: Buffer): void => finish({ ok: true, ...head, body })
  message.on('error', (error) => finish(failureOf(error)))
  if (isHeadOnly(head)) {
    done(Buffer.alloc(0))
    return
  }
  const tooBig = failure('too-big', `the body is larger than ${maxBytes} bytes`)
  const refusal = isEncoded(head.headers)
    ? failure('encoded', 'the body is compressed')
    : Number(head.headers.get('content-length') ?? 0) > maxBytes
      ? tooBig
      : undefined
  if (refusal !== undefined) {
    finish(refusal)
    return
  }
  const chunks: Buffer[] = []
  let size = 0
  message.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > maxBytes) finish(tooBig)
    else chunks.push(chunk)
  })
  message.once('end', () => done(Buffer.concat(chunks)))
  message.once('aborted', () => finish(failure('lost', 'closed within the body')))
}

function fieldsOf(message: IncomingMessage): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) fields.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return fields
}

/** Anything that would have to be unpacked: a small bomb is as good as a large one. */
const isEncoded = (headers: ReadonlyMap<string, string>): boolean =>
  (headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity' ||
  (headers.get('transfer-encoding') ?? 'chunked').toLowerCase() !== 'chunked'

const failureOf = (error: Error): FetchFailure => {
  const code = codeOf(error)
  return failure(code.startsWith('HPE_') ? 'protocol' : 'lost', code)
}
