/**
 * The addresses of the name servers we ask. They come from the configuration (`dns.servers`) or from the system.
 * Names are not allowed here: a resolver cannot look itself up.
 */
import { getServers } from 'node:dns'
import { isIP } from 'node:net'
import { AppError } from '../server/core/errors.ts'

export interface DnsServer {
  readonly host: string
  readonly port: number
}

const DEFAULT_PORT = 53

/**
 * Reads `127.0.0.1`, `127.0.0.1:5353`, `::1`, `[::1]` or `[::1]:5353`; the port defaults to 53.
 * Throws CONFIG_INVALID for anything else.
 */
export function parseDnsServer(text: string): DnsServer {
  if (isIP(text) !== 0) return { host: text, port: DEFAULT_PORT }
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text)
  const host = parts?.[1] ?? parts?.[2] ?? ''
  const port = Number(parts?.[3] ?? DEFAULT_PORT)
  if (isIP(host) === 0 || port < 1 || port > 65_535) {
    throw new AppError('CONFIG_INVALID', {
      public: `"${text}" is not the address of a DNS server: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53.`,
    })
  }
  return { host, port }
}

/** `127.0.0.1:53`, `[::1]:5353`: the form that `parseDnsServer` reads. */
export const formatDnsServer = ({ host, port }: DnsServer): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** What the system is set to ask, in the form of `dns.servers`; a local resolver when it is set to nothing. */
export function systemDnsServers(): readonly string[] {
  const servers = getServers()
  return servers.length > 0 ? servers : ['127.0.0.1']
}
