/** Short ways to open our SMTP client against a sink and to make a mail for it. */
import { openConnection } from '../../server/delivery/smtp/connection.ts'
import type { ConnectOptions, Connection } from '../../server/delivery/smtp/connection.ts'
import type { SessionTls } from '../../server/delivery/smtp/open-session.ts'
import type { Mail } from '../../server/delivery/smtp/transaction.ts'
import type { Outcome } from '../../server/core/outcome.ts'
import { realClock } from '../../server/ports.ts'
import { dial } from './dial.ts'
import type { Sink } from './sink.ts'

export const NO_TLS: SessionTls = { mode: 'off', verify: false, implicit: false }
export const TLS_IF_OFFERED: SessionTls = { mode: 'opportunistic', verify: false, implicit: false }
export const TLS_REQUIRED: SessionTls = { mode: 'required', verify: false, implicit: false }

export function connectOptions(
  { address, port }: Pick<Sink, 'address' | 'port'>,
  options: Partial<Omit<ConnectOptions, 'tls'>> & { readonly tls?: SessionTls } = {},
): ConnectOptions {
  const { tls = NO_TLS, ...rest } = options
  return {
    dial,
    clock: realClock,
    host: 'mx.sink.test',
    ip: address,
    port,
    sourceIp: undefined,
    ehlo: 'out.posthorn.test',
    auth: undefined,
    ...rest,
    tls: { ...tls, servername: 'mx.sink.test' },
  }
}

type Overrides = Parameters<typeof connectOptions>[1]

/** A connection that must come about. */
export async function connectTo(
  sink: Pick<Sink, 'address' | 'port'>,
  options?: Overrides,
): Promise<Connection> {
  const opened = await openConnection(connectOptions(sink, options))
  if (!opened.ok) throw new Error(`not connected: ${opened.outcome.transcript}`)
  return opened.connection
}

/** The outcome of a connection that must not come about. */
export async function failToConnect(
  sink: Pick<Sink, 'address' | 'port'>,
  options?: Overrides,
): Promise<Outcome> {
  const opened = await openConnection(connectOptions(sink, options))
  if (opened.ok) throw new Error(`connected: ${opened.connection.greeting}`)
  return opened.outcome
}

/** A small mail to `recipient`; give `text` for its whole content. */
export function aMail(
  recipient: string,
  mail: Partial<Mail> & { readonly text?: string } = {},
): Mail {
  const { text = 'Subject: hello\r\n\r\nHello.\r\n', ...rest } = mail
  const content = Buffer.from(text, 'utf8')
  return {
    mailFrom: 'bounces@posthorn.test',
    recipient,
    size: content.length,
    smtpUtf8: false,
    eightBit: false,
    content,
    ...rest,
  }
}
