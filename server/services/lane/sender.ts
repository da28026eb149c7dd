/**
 * One connection slot of a lane: takes deliveries from the hand, keeps a connection to fitting hosts, sends, and
 * hands each outcome on. It never retries by itself and never decides what an outcome means.
 */
import { isAscii } from 'node:buffer'
import type { Outcome } from '../../core/outcome.ts'
import type { LeasedDelivery } from '../../core/work.ts'
import type { Connection, Opened } from '../../delivery/smtp/connection.ts'
import { send } from '../../delivery/smtp/transaction.ts'
import type { Copy } from './render.ts'
import { dnsOutcome } from './hosts.ts'
import type { DomainHosts, Hosts } from './hosts.ts'

export interface SenderWork {
  /** The next delivery, or undefined when this slot should rest. */
  take(preferred: ReadonlySet<string> | undefined): LeasedDelivery | undefined
  /** Undefined when the content is gone. */
  copyOf(delivery: LeasedDelivery): Promise<Copy | undefined>
  open(hosts: DomainHosts): Promise<Opened>
  /** Whether a connection may carry another message. */
  mayReuse(connection: Connection): boolean
  /** Undefined outcome: the content is gone. */
  done(delivery: LeasedDelivery, outcome: Outcome | undefined): void
  /** Its domain belongs to another lane by now. */
  moved(delivery: LeasedDelivery): void
  /** None of the hosts could be reached. */
  unreachable(delivery: LeasedDelivery, outcome: Outcome, hosts: DomainHosts): void
  /** Whether these hosts failed a moment ago, so that nothing should be tried; takes the delivery when they did. */
  spare(delivery: LeasedDelivery, hosts: DomainHosts): boolean
  /** Something of ours went wrong before there was an outcome. */
  broken(delivery: LeasedDelivery, error: unknown): void
  readonly hosts: Hosts
  now(): number
}

export interface Sender {
  /** Works until nothing is left to take. */
  run(): Promise<void>
  /** Says goodbye to the server. */
  close(): Promise<void>
  /** The hosts it is connected to, as `DomainHosts.site`. */
  readonly site: string | undefined
}

export function makeSender(work: SenderWork): Sender {
  let connection: Connection | undefined
  /** Domains that the open connection serves. */
  let served = new Set<string>()
  let site: string | undefined

  async function drop(): Promise<void> {
    const old = connection
    connection = undefined
    served = new Set()
    if (old?.usable === true) await old.close()
    else old?.destroy()
  }

  async function connectionFor(hosts: DomainHosts, domain: string): Promise<Opened> {
    if (connection !== undefined) {
      const { host, tls } = connection.peer
      const fits = host !== undefined && hosts.names.has(host)
      // RFC 8461 §4.2: what was good enough for another domain may not be for this one.
      const isSafe = !hosts.mustVerify || tls?.verified === true
      if (work.mayReuse(connection) && fits && isSafe) {
        served.add(domain)
        return { ok: true, connection }
      }
      await drop()
    }
    const opened = await work.open(hosts)
    if (opened.ok) {
      connection = opened.connection
      site = hosts.site
      served.add(domain)
    }
    return opened
  }

  async function sendOne(delivery: LeasedDelivery): Promise<void> {
    const hosts = work.hosts.peek(delivery.domain) ?? (await work.hosts.find(delivery.domain))
    if (hosts.kind === 'moved') {
      work.moved(delivery)
      return
    }
    if (hosts.kind === 'failed') {
      work.done(delivery, dnsOutcome(hosts, work.now()))
      return
    }
    if (work.spare(delivery, hosts)) return
    const copy = await work.copyOf(delivery)
    if (copy === undefined) {
      work.done(delivery, undefined)
      return
    }
    const opened = await connectionFor(hosts, delivery.domain)
    if (!opened.ok) {
      work.unreachable(delivery, opened.outcome, hosts)
      return
    }
    const first = await transmit(opened.connection, delivery, copy)
    if (!wasIdleClose(opened.connection, first)) {
      work.done(delivery, first)
      return
    }
    // The server hung up on an idle connection: nothing was said about this mail, so it gets a fresh one.
    await drop()
    const again = await connectionFor(hosts, delivery.domain)
    if (again.ok) work.done(delivery, await transmit(again.connection, delivery, copy))
    else work.unreachable(delivery, again.outcome, hosts)
  }

  return {
    get site() {
      return connection === undefined ? undefined : site
    },
    async run() {
      for (;;) {
        const delivery = work.take(connection === undefined ? undefined : served)
        if (delivery === undefined) return
        try {
          await sendOne(delivery)
        } catch (error) {
          work.broken(delivery, error)
        }
        if (connection !== undefined && !work.mayReuse(connection)) await drop()
      }
    },
    close: drop,
  }
}

const transmit = (connection: Connection, delivery: LeasedDelivery, copy: Copy): Promise<Outcome> =>
  send(connection, {
    mailFrom: copy.mailFrom,
    recipient: delivery.recipient,
    size: copy.size,
    smtpUtf8: delivery.smtpUtf8 || !isAscii(Buffer.from(delivery.recipient)),
    eightBit: !copy.content.every((part) => isAscii(part)),
    content: copy.content,
  })

/** Lost before the server could have taken anything in, on a connection that had served before. */
const wasIdleClose = (connection: Connection, outcome: Outcome): boolean =>
  outcome.kind === 'failed' &&
  outcome.fault === 'connection-lost' &&
  outcome.stage === 'mail' &&
  connection.messages > 1
