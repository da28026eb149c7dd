/**
 * Hosts, ports, networks and URLs as they stand in the configuration. Syntax only: nothing here resolves a name
 * or asks whether the machine has the address.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net'

export interface Endpoint {
  /** An IP address without brackets, or a host name. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/** Letters, digits and hyphens, RFC 1123 §2.1; lower case, without a trailing dot. An IP address is not one. */
export function parseHostname(text: string): string | undefined {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  if (name.length > 253 || isIP(name) !== 0) return undefined
  return name.split('.').every((label) => LABEL.test(label)) ? name.toLowerCase() : undefined
}

/** What may follow EHLO, RFC 5321 §4.1.1.1: a host name or an address literal such as `[192.0.2.1]`. */
export function parseEhlo(text: string): string | undefined {
  const literal = /^\[(?:IPv6:)?([^\]]+)\]$/i.exec(text)?.[1]
  if (literal === undefined) return parseHostname(text)
  if (isIPv4(literal)) return `[${literal}]`
  return isIPv6(literal) ? `[IPv6:${literal}]` : undefined
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN
  return port <= 65_535 ? port : undefined
}

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. With `defaultPort` the port may be missing. */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text)
  const [, bracketed, plain, portText] = match ?? [undefined, isIPv6(text) ? text : undefined]
  const port = portText === undefined ? defaultPort : parsePort(portText)
  if (port === undefined) return undefined
  if (bracketed !== undefined) {
    return isIPv6(bracketed) ? { host: bracketed, port } : undefined
  }
  if (plain === undefined) {
    return isIPv6(text) && defaultPort !== undefined ? { host: text, port } : undefined
  }
  // Digits and dots alone are an address or a mistake, never a name.
  if (isIPv4(plain)) return { host: plain, port }
  const host = /^[\d.]+$/.test(plain) ? undefined : parseHostname(plain)
  return host === undefined ? undefined : { host, port }
}

/** A name server: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`. A name would need a resolver to resolve it. */
export function parseNameServer(text: string): Endpoint | undefined {
  const server = parseEndpoint(text, 53)
  return server !== undefined && isIP(server.host) !== 0 && server.port > 0 ? server : undefined
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or one address. Returned as written, with its prefix length. Prefix 0 is refused:
 * as a trusted network it would make an open relay, as a trusted proxy it would let anybody choose his address.
 */
export function parseNetwork(text: string): string | undefined {
  const [address = '', prefixText, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined
  const width = version === 4 ? 32 : 128
  if (prefixText === undefined) return `${address}/${width}`
  if (!/^\d{1,3}$/.test(prefixText)) return undefined
  const prefix = Number(prefixText)
  return prefix >= 1 && prefix <= width ? `${address}/${prefix}` : undefined
}

/** `https://mail.example.com` → the origin, without a path or a trailing slash. */
export function parseOrigin(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  return isBare && (url.protocol === 'https:' || url.protocol === 'http:') ? url.origin : undefined
}

/** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. Returned as written. */
export function parseRedisUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  const isRedis = url.protocol === 'redis:' || url.protocol === 'rediss:'
  return isRedis && url.hostname !== '' && /^(?:\/\d*)?$/.test(url.pathname) ? text : undefined
}
