/**
 * Writes small MaxMind databases (format 2.0), so that tests have City, ASN or Anonymous-IP files with the records they
 * need. https://maxmind.github.io/MaxMind-DB/ names the parts as they are named here.
 */

export type MmdbValue =
  string | number | boolean | readonly MmdbValue[] | { readonly [key: string]: MmdbValue }

export interface MmdbOptions {
  /** `GeoLite2-City`. */
  readonly type: string
  readonly ipVersion?: 4 | 6
  readonly recordSize?: 24 | 28 | 32
  /** Network → record: `'81.2.69.0/24': { country: { iso_code: 'GB' } }`. */
  readonly networks: Readonly<Record<string, MmdbValue>>
  /** Put over the metadata, for databases that lie. */
  readonly metadata?: Readonly<Record<string, MmdbValue>>
}

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')

/** A control byte, the rest of the size, the payload. */
function field(type: number, payload: Buffer, size = payload.length): Buffer {
  const extended = type > 7 ? [type - 7] : []
  const first = (type > 7 ? 0 : type) << 5
  if (size < 29) return Buffer.concat([Buffer.from([first | size, ...extended]), payload])
  if (size >= 29 + 256) throw new Error('The field is too long for this writer.')
  return Buffer.concat([Buffer.from([first | 29, ...extended, size - 29]), payload])
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') return field(2, Buffer.from(value))
  if (typeof value === 'boolean') return field(14, Buffer.alloc(0), value ? 1 : 0)
  if (typeof value === 'number') return encodeNumber(value)
  if (Array.isArray(value)) {
    const items = value as readonly MmdbValue[]
    return Buffer.concat([field(11, Buffer.alloc(0), items.length), ...items.map(encode)])
  }
  const entries = Object.entries(value as Readonly<Record<string, MmdbValue>>)
  const body = entries.flatMap(([key, item]) => [encode(key), encode(item)])
  return Buffer.concat([field(7, Buffer.alloc(0), entries.length), ...body])
}

function encodeNumber(value: number): Buffer {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return field(6, bytes)
  }
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return field(3, bytes)
}

/** `81.2.69.0/24` → its first 24 bits; with `ipVersion` 6 behind 96 zeros. */
function bitsOf(network: string, ipVersion: 4 | 6): readonly number[] {
  const [address = '', length = ''] = network.split('/')
  const isV4 = !address.includes(':')
  const bytes = isV4 ? address.split('.').map(Number) : ipv6Bytes(address)
  const bits = bytes.flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((n) => (byte >> n) & 1))
  const prefix = bits.slice(0, Number(length))
  return isV4 && ipVersion === 6 ? [...Array<number>(96).fill(0), ...prefix] : prefix
}

function ipv6Bytes(address: string): number[] {
  const [front = '', back] = address.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const gap = back === undefined ? 0 : 8 - groups(front).length - groups(back).length
  const all = [...groups(front), ...Array<string>(gap).fill('0'), ...groups(back ?? '')]
  return all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255])
}

/** A node, a record by its offset in the data section, or nothing. */
type Side = Node | number | undefined
type Node = [Side, Side]

function insert(root: Node, bits: readonly number[], offset: number): void {
  let node = root
  for (const bit of bits.slice(0, -1)) {
    const next = node[bit as 0 | 1]
    // A network inside another one: what was there is true of both halves.
    const child: Node = Array.isArray(next) ? next : [next, next]
    node[bit as 0 | 1] = child
    node = child
  }
  node[bits.at(-1) as 0 | 1] = offset
}

function writeTree(root: Node, recordSize: 24 | 28 | 32): { tree: Buffer; nodeCount: number } {
  const numbers = new Map<Node, number>()
  const number = (node: Node): void => {
    numbers.set(node, numbers.size)
    for (const side of node) if (Array.isArray(side)) number(side)
  }
  number(root)
  const nodeCount = numbers.size
  const valueOf = (side: Side): number => {
    if (Array.isArray(side)) return numbers.get(side)!
    return side === undefined ? nodeCount : nodeCount + 16 + side
  }
  const nodes = [...numbers.keys()].map(([left, right]) => {
    const [a, b] = [valueOf(left), valueOf(right)]
    const bytes = Buffer.alloc(recordSize / 4)
    if (recordSize === 32) {
      bytes.writeUInt32BE(a, 0)
      bytes.writeUInt32BE(b, 4)
      return bytes
    }
    bytes.writeUIntBE(a & 0xff_ffff, 0, 3)
    bytes.writeUIntBE(b & 0xff_ffff, recordSize / 4 - 3, 3)
    if (recordSize === 28) bytes[3] = ((a >>> 24) << 4) | (b >>> 24)
    return bytes
  })
  return { tree: Buffer.concat(nodes), nodeCount }
}

/** The bytes of a database. Networks inside others go after them. */
export function mmdb(options: MmdbOptions): Buffer {
  const { type, ipVersion = 6, recordSize = 24 } = options
  const root: Node = [undefined, undefined]
  const data: Buffer[] = []
  let offset = 0
  for (const [network, record] of Object.entries(options.networks)) {
    const bytes = encode(record)
    insert(root, bitsOf(network, ipVersion), offset)
    data.push(bytes)
    offset += bytes.length
  }
  const { tree, nodeCount } = writeTree(root, recordSize)
  const metadata = encode({
    node_count: nodeCount,
    record_size: recordSize,
    ip_version: ipVersion,
    database_type: type,
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_767_225_600,
    description: { en: 'Made by a test' },
    ...options.metadata,
  })
  return Buffer.concat([tree, Buffer.alloc(16), ...data, MARKER, metadata])
}
