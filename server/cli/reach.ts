/** How clients reach this installation, by its configuration. A listener on all addresses is told by the host's name. */
import type { Config } from '../config/schema.ts'

interface Endpoint {
  readonly host: string
  readonly port: number
}

const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::'

const reachable = (config: Config, { host }: Endpoint): string =>
  isAny(host) ? config.hostname : host

/** `https://mail.example.com`, or the address of the HTTP listener. Without a trailing slash. */
export function baseUrl(config: Config): string {
  if (config.http.publicUrl !== undefined) return config.http.publicUrl
  const host = reachable(config, config.http.listen)
  const scheme = config.http.certificate === undefined ? 'http' : 'https'
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${config.http.listen.port}`
}

export interface SmtpSettings {
  readonly host: string
  readonly port: number
  readonly security: 'STARTTLS' | 'TLS' | 'none'
}

const SECURITY = { starttls: 'STARTTLS', implicit: 'TLS', none: 'none' } as const

/** What goes into a mail program, for each submission listener. */
export const smtpSettings = (config: Config): readonly SmtpSettings[] =>
  config.submission.listeners.map(({ listen, tls }) => ({
    host: reachable(config, listen),
    port: listen.port,
    security: SECURITY[tls],
  }))
