/**
 * Looks at everything an installation stands on and says what to mend. Changes nothing and needs no running server; a
 * check that goes wrong by itself is a finding, never an exception.
 */
import { existsSync } from 'node:fs'
import { makeDnsClient } from '../../dns/client.ts'
import { formatDnsServer, systemDnsServers } from '../../dns/servers.ts'
import type { Config } from '../config/schema.ts'
import type { Resolver } from '../core/dns.ts'
import type { Ports } from '../core/ports.ts'
import { probeRedis } from '../queue/probe.ts'
import { inspectForCheck } from '../store/inspect.ts'
import type { DatabaseFacts } from '../store/inspect.ts'
import { databaseFile } from '../store/open.ts'
import { fail, unknown } from './check/finding.ts'
import type { Finding } from './check/finding.ts'
import {
  judgeCertificate,
  judgeClock,
  judgeDataDir,
  judgeDisk,
  judgeListener,
  judgeMasterKey,
} from './check/judge-machine.ts'
import {
  OFFLINE,
  judgeHostname,
  judgeOutbound,
  judgeResolver,
  judgeReverse,
} from './check/judge-network.ts'
import { judgeDatabase, judgeRedis } from './check/judge-parts.ts'
import {
  clockKeeper,
  freeRoom,
  lookAtDataDir,
  modeOf,
  readText,
  refusalToListen,
} from './check/probe-machine.ts'
import {
  addressesOf,
  lookAtOutbound,
  lookAtResolver,
  lookAtReverse,
} from './check/probe-network.ts'
import type { Certificate } from './certificate.ts'
import { instanceHolder } from './instance-lock.ts'

const REDIS_MS = 5_000

export type { Finding, FindingState } from './check/finding.ts'

type Findings = readonly Finding[]

/** Takes up to some ten seconds when name servers or port 25 are silent. `offline` leaves out all that asks the network. */
export async function runChecks(
  config: Config,
  ports: Ports,
  { offline }: { readonly offline: boolean },
): Promise<Findings> {
  const database = lookAtDatabase(config)
  const groups = await Promise.all([
    guarded('listeners', () => checkListeners(config)),
    guarded('data directory', async () => checkDataDir(config)),
    guarded('database', async () => judgeDatabase(database)),
    guarded('redis', () => checkRedis(config)),
    guarded('clock', async () => [judgeClock(ports.clock.now(), clockKeeper())]),
    guarded('certificate', async () => checkCertificates(config, ports.clock.now())),
    guarded('network', () => (offline ? skippedNetwork() : checkNetwork(config, ports, database))),
  ])
  return groups.flat()
}

async function guarded(topic: string, check: () => Promise<Findings>): Promise<Findings> {
  try {
    return await check()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return [
      fail(topic, `could not be checked: ${reason}`, 'mend what the reason says, and check again'),
    ]
  }
}

async function checkListeners(config: Config): Promise<Findings> {
  const { roles, http, submission, redis } = config
  const holder = instanceHolder(config.dataDir)
  const wanted = [
    ...(roles.includes('http') ? [{ setting: 'http.listen', listen: http.listen }] : []),
    ...(roles.includes('submission')
      ? submission.listeners.map(({ listen }) => ({ setting: 'submission.listeners', listen }))
      : []),
  ]
  return Promise.all(
    wanted.map(async ({ setting, listen }) =>
      judgeListener({
        setting,
        address: formatDnsServer(listen),
        refusal: await refusalToListen(listen.host, listen.port),
        holder,
        mayBeOurs: redis.url !== undefined,
      }),
    ),
  )
}

function checkDataDir({ dataDir, store }: Config): Findings {
  return [
    judgeDataDir(dataDir, lookAtDataDir(dataDir)),
    judgeDisk(freeRoom(dataDir), store.minFreeDisk),
    judgeMasterKey(modeOf(dataDir, 'master.key'), existsSync(databaseFile(dataDir))),
  ]
}

function lookAtDatabase({ dataDir }: Config): DatabaseFacts | Error | undefined {
  try {
    return inspectForCheck(databaseFile(dataDir))
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

async function checkRedis({ redis }: Config): Promise<Findings> {
  if (redis.url === undefined) return judgeRedis(undefined)
  const facts = await probeRedis(redis.url, REDIS_MS).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  )
  return judgeRedis(facts)
}

function checkCertificates({ roles, http, submission }: Config, now: number): Findings {
  const findings: Finding[] = []
  if (roles.includes('submission') && submission.listeners.some(({ tls }) => tls !== 'none'))
    findings.push(judgeCertificate(pairOf(submission), now))
  const ofHttp = pairOf(http)
  if (roles.includes('http') && ofHttp !== undefined)
    findings.push(judgeCertificate(ofHttp, now, 'http'))
  return findings
}

function pairOf({ certificate, key }: Config['http' | 'submission']): Certificate | undefined {
  return certificate === undefined || key === undefined
    ? undefined
    : { cert: readText(certificate), key: readText(key) }
}

const skippedNetwork = async (): Promise<Findings> =>
  ['resolver', 'host name', 'reverse DNS', 'outbound port 25'].map((topic) =>
    unknown(topic, OFFLINE),
  )

async function checkNetwork(
  config: Config,
  { clock, random, dial }: Ports,
  database: DatabaseFacts | Error | undefined,
): Promise<Findings> {
  const { servers, timeouts } = config.dns
  const resolver = makeDnsClient({
    clock,
    random,
    servers: servers.length > 0 ? servers.map(formatDnsServer) : systemDnsServers(),
    timeoutsMs: timeouts,
  })
  try {
    const known = database instanceof Error ? undefined : database
    const [basics, reverse, outbound] = await Promise.all([
      checkNames(config, resolver),
      checkSources(config, resolver, known),
      known?.sendsDirect === false
        ? judgeOutbound({ kind: 'not-needed' })
        : lookAtOutbound(resolver, dial).then(judgeOutbound),
    ])
    return [...basics, ...reverse, outbound]
  } finally {
    resolver.close()
  }
}

async function checkNames({ hostname }: Config, resolver: Resolver): Promise<Findings> {
  const [facts, address] = await Promise.all([
    lookAtResolver(resolver),
    addressesOf(resolver, hostname),
  ])
  return [judgeResolver(facts), judgeHostname(hostname, address)]
}

/** The sources of the database, or the one that the first start makes. */
async function checkSources(
  { delivery, hostname }: Config,
  resolver: Resolver,
  database: DatabaseFacts | undefined,
): Promise<Findings> {
  const first = { name: 'default', ip: undefined, ehlo: delivery.ehlo ?? hostname }
  const sources =
    database === undefined || database.sources.length === 0 ? [first] : database.sources
  return Promise.all(
    sources.map(async (source) => judgeReverse(await lookAtReverse(resolver, source))),
  )
}
