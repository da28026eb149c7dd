/** A client that sends what it is told, byte by byte if need be: replies come back as lines, whole and in order. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface SmtpClient {
  readonly socket: Socket
  /** The next reply, all its lines joined by `\n`. Rejects when the connection ends, or after 10 s. */
  reply(): Promise<string>
  /** Sends `text` (latin1) as it is. */
  raw(text: string | Buffer): void
  /** Sends a line with CRLF and waits for its reply. */
  say(line: string): Promise<string>
  /** All that comes until the server closes. */
  untilClosed(): Promise<string>
  /** The same connection after the handshake. */
  secure(): Promise<SmtpClient>
  destroy(): void
}

const PATIENCE_MS = 10_000

export async function smtpClient(
  port: number,
  options: { readonly tls?: boolean; readonly host?: string; readonly from?: string } = {},
): Promise<SmtpClient> {
  const socket = connect({
    port,
    host: options.host ?? '127.0.0.1',
    ...(options.from === undefined ? {} : { localAddress: options.from }),
  })
  const client = await wrap(socket, 'connect')
  return options.tls === true ? client.secure() : client
}

async function wrap(socket: Socket, ready: string): Promise<SmtpClient> {
  let text = ''
  let isClosed = false
  let wake: (() => void) | undefined
  socket.setNoDelay(true)
  socket.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    socket.once(ready, () => resolve())
    socket.once('close', () => reject(new Error('closed before it was open')))
  })
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
    wake?.()
  }
  socket.on('data', onData)
  socket.on('close', () => {
    isClosed = true
    wake?.()
  })

  async function until<T>(look: () => T | undefined): Promise<T> {
    const end = Date.now() + PATIENCE_MS
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (Date.now() > end) throw new Error(`no answer in time; so far: ${JSON.stringify(text)}`)
      await new Promise<void>((resolve) => {
        wake = resolve
        setTimeout(resolve, 200).unref()
      })
    }
  }
  function takeReply(): string | undefined {
    const match = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(text)
    if (match !== null) {
      text = text.slice(match[0].length)
      return match[0].trimEnd().replaceAll('\r\n', '\n')
    }
    if (isClosed) throw new Error(`closed; left over: ${JSON.stringify(text)}`)
    return undefined
  }

  const client: SmtpClient = {
    socket,
    reply: () => until(takeReply),
    raw: (bytes) => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    },
    say(line) {
      client.raw(`${line}\r\n`)
      return client.reply()
    },
    untilClosed: () => until(() => (isClosed ? text : undefined)),
    secure() {
      socket.removeListener('data', onData)
      return wrap(
        connectTls({ socket, rejectUnauthorized: false, servername: 'localhost' }),
        'secureConnect',
      )
    },
    destroy: () => socket.destroy(),
  }
  return client
}
