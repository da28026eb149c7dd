/**
 * What a set of MX names has in common with other domains: the site (exactly these hosts) and the provider (whose
 * hosts they are). Pure; decides which deliveries share a lane, so the keys must stay stable.
 */
import { createHash } from 'node:crypto'
import type { Provider } from '../core/provider.ts'

/** Longer keys are shortened to a name and a hash: lane keys are indexed and shown. */
const MAX_SITE_KEY = 200

/**
 * Stable key of a set of MX names: `mx1.a.test,mx2.a.test`, sorted, lower case, each once; above 200 characters
 * `mx1.a.test+41#<hash>`, the first name, how many more, and 128 bits of SHA-256 of the whole.
 */
export function siteOf(mxNames: readonly string[]): string {
  const names = [...new Set(mxNames.map((name) => name.toLowerCase()))].sort()
  const key = names.join(',')
  if (key.length <= MAX_SITE_KEY) return key
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32)
  return `${names[0]!.slice(0, 100)}+${names.length - 1}#${hash}`
}

/**
 * The provider of a domain: the one that lists the domain itself, else the first whose rules cover EVERY MX name, so
 * that a domain that spreads its mail over two providers belongs to neither. Names are lower case.
 */
export function providerOf(
  mxNames: readonly string[],
  domain: string,
  providers: readonly Provider[],
): Provider | undefined {
  return (
    providers.find((provider) => provider.domains.includes(domain)) ??
    (mxNames.length === 0
      ? undefined
      : providers.find((provider) => mxNames.every((name) => hostBelongsTo(name, provider))))
  )
}

const hostBelongsTo = (name: string, { mxHosts, mxSuffixes }: Provider): boolean =>
  mxHosts.includes(name) || mxSuffixes.some((suffix) => isBelow(name, suffix))

/** On label boundaries: `notgoogle.com` is not below `google.com`. */
const isBelow = (name: string, suffix: string): boolean =>
  name.endsWith(suffix) &&
  (name.length === suffix.length || name[name.length - suffix.length - 1] === '.')
