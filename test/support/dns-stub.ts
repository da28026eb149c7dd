/**
 * A name server for tests: real UDP and TCP on one loopback port, answering from a plain object that may change while
 * it runs. Names that are not listed do not exist. It can be silent, lie, truncate and send rubbish on demand.
 */
import { createSocket } from 'node:dgram'
import type { Socket as UdpSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import * as dnsPacket from 'dns-packet'
import type { Answer, DecodedPacket, OptAnswer } from 'dns-packet'

/** Instead of an answer. `TIMEOUT` says nothing; `GARBAGE`, `WRONG-ID` and `WRONG-QUESTION` say something wrong. */
export type StubFault =
  | 'SERVFAIL'
  | 'REFUSED'
  | 'NXDOMAIN'
  | 'TIMEOUT'
  | 'GARBAGE'
  | 'MALFORMED'
  | 'WRONG-ID'
  | 'WRONG-QUESTION'

export interface StubTlsa {
  readonly usage: number
  readonly selector: number
  readonly matching: number
  readonly data: Buffer
}

export interface StubRecords {
  A?: readonly string[] | StubFault
  AAAA?: readonly string[] | StubFault
  /** `[preference, exchange]`; `.` is the root. */
  MX?: readonly (readonly [number, string])[] | StubFault
  /** A record of several strings is an array. */
  TXT?: readonly (string | readonly string[])[] | StubFault
  NS?: readonly string[] | StubFault
  PTR?: readonly string[] | StubFault
  SOA?: readonly string[] | StubFault
  TLSA?: readonly StubTlsa[] | StubFault
  /** Answers every type but CNAME itself with the alias. */
  CNAME?: string
  /** Seconds; for all types or one by one. Default 300. */
  ttl?: number | Readonly<Record<string, number>>
  /** AD bit, when the question has the DO bit. */
  authentic?: boolean
  /** UDP replies carry only the TC bit. */
  truncate?: boolean
}
/** Keys are lower case; `*.name` stands for everything below `name` that is not listed, `*` for everything. */
export type StubZones = Record<string, StubRecords | StubFault>

export interface DnsStub {
  /** `127.0.0.1:port`, as `dns.servers` wants it. */
  readonly address: string
  readonly port: number
  /** May be changed at any time. */
  zones: StubZones
  /** Follow aliases inside the zones in one reply (default), or leave that to the client. */
  chase: boolean
  /** AD bit in every reply, also for names that do not exist; else only where the entry says so. */
  authentic: boolean
  /** Seconds in the SOA of negative replies; undefined: no SOA. Default 60. */
  negativeTtl: number | undefined
  /** Questions seen, of one name or all, of one type or all. */
  count(name?: string, type?: string): number
  /** Questions that came over TCP. */
  tcpCount(): number
  /** Source ports and ids of the UDP questions, in order. */
  readonly seen: readonly { readonly port: number; readonly id: number }[]
  close(): Promise<void>
}

const RCODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const
const DEFAULT_TTL = 300
/** What a client without EDNS0 can take. */
const PLAIN_UDP = 512

export async function startDnsStub(zones: StubZones = {}): Promise<DnsStub> {
  const { udp, tcp, port } = await listenBoth()
  const counts = new Map<string, number>()
  const seen: { port: number; id: number }[] = []
  const sockets = new Set<Socket>()
  let overTcp = 0

  const stub: DnsStub = {
    address: `127.0.0.1:${port}`,
    port,
    zones,
    chase: true,
    authentic: false,
    negativeTtl: 60,
    seen,
    tcpCount: () => overTcp,
    count: (name, type) => {
      let sum = 0
      for (const [key, count] of counts) {
        const [ofName, ofType] = key.split(' ')
        if ((name ?? ofName) === ofName && (type ?? ofType) === ofType) sum += count
      }
      return sum
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise<void>((resolve) => tcp.close(() => resolve())),
      ])
    },
  }

  function replyTo(message: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined {
    const query = dnsPacket.decode(message)
    const question = query.questions![0]!
    const key = `${question.name.toLowerCase()} ${question.type}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    return answerQuestion(stub, query, transport)
  }

  udp.on('message', (message, from) => {
    seen.push({ port: from.port, id: message.readUInt16BE(0) })
    const reply = replyTo(message, 'udp')
    if (reply) udp.send(reply, from.port, from.address)
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let received: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0)
        overTcp++
        const reply = replyTo(received.subarray(2, end), 'tcp')
        received = received.subarray(end)
        if (!reply) continue
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        // In two writes, so that clients meet a reply that comes in pieces.
        socket.write(length)
        socket.write(reply)
      }
    })
  })
  return stub
}

/** One port number that is free for both; the system picks it for TCP, UDP may already have it. */
async function listenBoth(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (;;) {
    const tcp = createServer()
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket('udp4')
    const bound = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false))
      udp.bind(port, '127.0.0.1', () => resolve(true))
    })
    if (bound) return { udp, tcp, port }
    udp.close()
    tcp.close()
  }
}

function answerQuestion(
  stub: DnsStub,
  query: DecodedPacket,
  transport: 'udp' | 'tcp',
): Buffer | undefined {
  const question = query.questions![0]!
  const edns = query.additionals?.find((record): record is OptAnswer => record.type === 'OPT')
  const answers: Answer[] = []
  let name = question.name.toLowerCase()
  let authentic = edns?.flag_do === true
  let truncate = false
  let rcode: number = 0

  for (let aliases = 0; ; aliases++) {
    const entry = lookUp(stub.zones, name)
    const fault = typeof entry === 'string' ? entry : faultOf(entry, question.type)
    if (fault !== undefined) {
      if (fault !== 'SERVFAIL' && fault !== 'REFUSED' && fault !== 'NXDOMAIN') {
        return misbehave(fault, query)
      }
      authentic &&= stub.authentic
      rcode = RCODES[fault]
      break
    }
    const records = entry as StubRecords
    authentic &&= stub.authentic || records.authentic === true
    truncate ||= records.truncate === true
    const found = recordsOf(records, name, question.type)
    answers.push(...found)
    if (found.length > 0 || records.CNAME === undefined || question.type === 'CNAME') break
    answers.push({
      type: 'CNAME',
      name,
      ttl: ttlOf(records, 'CNAME'),
      data: records.CNAME,
    })
    name = records.CNAME.toLowerCase()
    if (!stub.chase || aliases > 20) break
  }

  const negative = answers.every((answer) => answer.type !== question.type)
  const chased = answers.length === 0 || stub.chase
  const reply = {
    type: 'response' as const,
    id: query.id!,
    flags: 0x0180 | (authentic ? 0x20 : 0) | rcode,
    questions: [question],
    answers,
    authorities:
      negative && chased && stub.negativeTtl !== undefined && rcode !== 2 && rcode !== 5
        ? [soa(name, stub.negativeTtl)]
        : [],
    additionals: edns ? [{ ...edns, flags: edns.flags, options: [] }] : [],
  }
  const encoded = dnsPacket.encode(reply)
  const room = transport === 'tcp' ? 65_535 : (edns?.udpPayloadSize ?? PLAIN_UDP)
  if (encoded.length <= room && !(truncate && transport === 'udp')) return encoded
  return dnsPacket.encode({ ...reply, flags: reply.flags | 0x0200, answers: [], authorities: [] })
}

function lookUp(zones: StubZones, name: string): StubRecords | StubFault {
  const exact = zones[name]
  if (exact !== undefined) return exact
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const wild = zones[`*${name.slice(dot)}`]
    if (wild !== undefined) return wild
  }
  return zones['*'] ?? 'NXDOMAIN'
}

function faultOf(entry: StubRecords, type: string): StubFault | undefined {
  const value = entry[type as 'A']
  return typeof value === 'string' && type !== 'CNAME' ? value : undefined
}

function misbehave(fault: StubFault, query: DecodedPacket): Buffer | undefined {
  const id = query.id!
  const questions = query.questions!
  const base = { type: 'response' as const, id, flags: 0x0180, questions }
  switch (fault) {
    case 'WRONG-ID':
      return dnsPacket.encode({ ...base, id: (id + 1) % 65_536 })
    case 'WRONG-QUESTION':
      return dnsPacket.encode({ ...base, questions: [{ type: 'A', name: 'other.test' }] })
    case 'GARBAGE':
      return Buffer.from('this is not DNS at all, but long enough to look like a header')
    case 'MALFORMED': {
      // A good header that promises an answer which is not there.
      const message = dnsPacket.encode(base)
      message.writeUInt16BE(3, 6)
      return message
    }
    case 'TIMEOUT':
    case 'SERVFAIL':
    case 'REFUSED':
    case 'NXDOMAIN':
      return undefined
  }
}

const ttlOf = (records: StubRecords, type: string): number =>
  (typeof records.ttl === 'number' ? records.ttl : records.ttl?.[type]) ?? DEFAULT_TTL

const list = <T>(value: readonly T[] | StubFault | undefined): readonly T[] =>
  typeof value === 'object' ? value : []

function recordsOf(records: StubRecords, name: string, type: string): Answer[] {
  const common = { name, ttl: ttlOf(records, type) }
  switch (type) {
    case 'A':
    case 'AAAA':
    case 'NS':
    case 'PTR':
      return list(records[type]).map((data) => ({ ...common, type, data }))
    case 'CNAME':
      return records.CNAME === undefined ? [] : [{ ...common, type, data: records.CNAME }]
    case 'MX':
      return list(records.MX).map(([preference, exchange]) => ({
        ...common,
        type,
        data: { preference, exchange },
      }))
    case 'TXT':
      // A fresh array: the encoder writes buffers into the one it is given.
      return list(records.TXT).map((text) => ({ ...common, type, data: [text].flat() }))
    case 'SOA':
      return list(records.SOA).map((mname) => ({
        ...common,
        type,
        data: { mname, rname: 'root.test', minimum: 60 },
      }))
    case 'TLSA':
      return list(records.TLSA).map(({ usage, selector, matching, data }) => ({
        ...common,
        type,
        data: { usage, selector, matchingType: matching, certificate: data },
      }))
    default:
      return []
  }
}

/** Of the zone that ends the name, so that it covers every name of the test. */
function soa(name: string, ttl: number): Answer {
  const zone = name.slice(name.lastIndexOf('.') + 1)
  return {
    type: 'SOA',
    name: zone,
    ttl: ttl * 10,
    data: { mname: `ns.${zone}`, rname: `root.${zone}`, minimum: ttl },
  }
}
