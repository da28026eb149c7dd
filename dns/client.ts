/**
 * A stub resolver: asks recursive name servers and tells "there is no such thing" from "nobody answered", with TTL
 * and the AD bit, which Node's own resolver does not hand out. It caches nothing (see cache.ts) and validates no
 * DNSSEC itself: AD is worth what the way to the name server is worth, so DANE wants a local validating one.
 */
import type { DecodedPacket } from 'dns-packet'
import type { DnsAnswer, DnsRecords, DnsType, Resolver } from '../server/core/dns.ts'
import type { Clock, Random } from '../server/core/ports.ts'
import { makeExchange } from './exchange.ts'
import type { Exchanged } from './exchange.ts'
import {
  decodeReply,
  encodeQuestion,
  isTruncated,
  MAX_ALIASES,
  normalizeName,
  readReply,
} from './message.ts'
import { formatDnsServer, parseDnsServer } from './servers.ts'
import type { DnsServer } from './servers.ts'

export interface DnsClientOptions {
  readonly clock: Clock
  readonly random: Random
  /** `['127.0.0.1:53', '[::1]:5353']`; see `systemDnsServers`. */
  readonly servers: readonly string[]
  /** Time for one server in the first round over all of them, in the second, … Default 2 s, then 3 s. */
  readonly timeoutsMs?: readonly number[]
  /** Questions on the wire at a time; the others wait for a slot, so that sockets stay bounded. Default 256. */
  readonly maxInFlight?: number
}

export interface DnsClient extends Resolver {
  /** Answers what is in flight with `failed`. Idempotent. */
  close(): void
}

type Reply = { readonly packet: DecodedPacket } | { readonly problem: string }

/** A name that DNS cannot carry will not exist tomorrow either. */
const IMPOSSIBLE = { kind: 'nxdomain', ttlMs: 86_400_000, authentic: false } as const

/** Throws CONFIG_INVALID for a server that is not an address. Opens no socket until it is asked. */
export function makeDnsClient(options: DnsClientOptions): DnsClient {
  const { clock, random, timeoutsMs = [2000, 3000], maxInFlight = 256 } = options
  const servers = options.servers.map(parseDnsServer)
  const exchange = makeExchange(clock)
  const slots = makeSlots(maxInFlight)
  let closed = false
  // The server that answered last goes first, so that a dead one costs its time-out once and not per question.
  let preferred = servers[0]

  async function askServer(
    server: DnsServer,
    name: string,
    type: DnsType,
    timeoutMs: number,
  ): Promise<Exchanged> {
    const id = random.bytes(2).readUInt16BE(0)
    const question = { server, id, message: encodeQuestion(id, name, type), timeoutMs }
    const reply = await exchange.udp(question)
    return reply.kind === 'reply' && isTruncated(reply.message) ? exchange.tcp(question) : reply
  }

  /** Asks one server after the other; those that stayed silent are asked once more per further time-out. */
  async function ask(name: string, type: DnsType): Promise<Reply> {
    let candidates = servers.filter((server) => server === preferred)
    candidates.push(...servers.filter((server) => server !== preferred))
    let problem = 'no DNS server is configured'
    for (const timeoutMs of timeoutsMs) {
      const silent: DnsServer[] = []
      for (const server of candidates) {
        if (closed) return { problem: 'resolver closed' }
        const reply = await askServer(server, name, type, timeoutMs)
        const packet =
          reply.kind === 'reply' ? decodeReply(reply.message, name, type) : reply.detail
        if (typeof packet !== 'string') {
          preferred = server
          return { packet }
        }
        problem = `${formatDnsServer(server)}: ${packet}`
        if (reply.kind === 'silent') silent.push(server)
      }
      candidates = silent
    }
    return { problem }
  }

  async function follow<T extends DnsType>(
    asked: string,
    type: T,
  ): Promise<DnsAnswer<DnsRecords[T]>> {
    let name = asked
    let aliases = 0
    let ttlMs = Infinity
    let authentic = true
    while (aliases <= MAX_ALIASES) {
      const reply = await ask(name, type)
      if ('problem' in reply) {
        return { kind: 'failed', detail: `${name} ${type}: ${reply.problem}` }
      }
      const reading = readReply(reply.packet, name, type)
      if (reading.kind === 'loop') break
      ttlMs = Math.min(ttlMs, reading.ttlMs)
      authentic &&= reading.authentic
      if (reading.kind !== 'alias') return { ...reading, ttlMs, authentic }
      name = reading.target
      aliases += reading.aliases
    }
    return {
      kind: 'failed',
      detail: `${asked} ${type}: more than ${MAX_ALIASES} aliases, or a loop`,
    }
  }

  return {
    resolve: async (name, type) => {
      const asked = normalizeName(name)
      if (asked === undefined) return IMPOSSIBLE
      await slots.take()
      try {
        return await follow(asked, type)
      } finally {
        slots.give()
      }
    },
    close: () => {
      closed = true
      exchange.close()
    },
  }
}

/** First come, first served; a slot that is given back passes straight to the next in line. */
function makeSlots(count: number) {
  let free = count
  const waiting: (() => void)[] = []
  return {
    take: async (): Promise<void> => {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    give: (): void => {
      const next = waiting.shift()
      if (next) next()
      else free++
    },
  }
}
