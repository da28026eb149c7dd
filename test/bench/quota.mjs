/**
 * What quotas cost where mail is accepted: the writer's rate without one, with three that have room, and with one that
 * is used up and makes mail wait. Rounds take turns, so that a busy machine slows all alike.
 *   node test/bench/quota.mjs [dist] [rounds]
 * One message of 4 KB to one recipient per request, 200 requests in flight; medians of the rounds.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [dist = 'dist', rounds = '7'] = process.argv.slice(2)
const load = (file) => import(pathToFileURL(resolve(dist, 'server', file)).href)
const { openStore } = await load('store/open.js')
const { realClock, realLog } = await load('ports.js')

const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-bench-'))
const store = await openStore({
  auditKey: Buffer.alloc(32, 1),
  dataDir,
  cacheKiB: 65_536,
  clock: realClock,
  log: realLog('silent'),
  onFatal: (error) => {
    throw error
  },
})

const MESSAGES = 10_000
const IN_FLIGHT = 200
const body = Buffer.alloc(4_096, 'x')
const charge = (scope, scopeId, limits) => ({ scope, scopeId, limits, over: 'delay' })
const roomy = (scope) => charge(scope, 1, { hour: 1e9, day: 1e9, month: 1e9 })
const WAYS = {
  'no quota': undefined,
  'three quotas in three units': ['tenant', 'credential', 'domain'].map(roomy),
  // Days of hours are planned ahead by the end of the bench.
  'one used up, all mail waits': [charge('tenant', 2, { hour: 500 })],
}

async function round(quota) {
  let left = MESSAGES
  const message = {
    tenant: 1,
    stream: 'bulk',
    via: 'smtp',
    mailFrom: 'shop@a.test',
    headerFrom: 'shop@a.test',
    subject: 'x',
    messageIdHeader: 'x@a.test',
    tags: [],
    metadata: {},
    expiresAt: Date.now() + 86_400_000,
    sandbox: false,
    smtpUtf8: false,
    body,
    recipients: [{ address: 'a@ok.test', domain: 'ok.test', lane: undefined }],
    quota,
  }
  const cpu = process.cpuUsage()
  const start = performance.now()
  const client = async () => {
    while (left-- > 0) {
      const { kind } = await store.writer.accept({ messages: [message], idempotency: undefined })
      if (kind !== 'accepted') throw new Error(kind)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, client))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - start) / 1_000
  return { rate: MESSAGES / seconds, cpuUs: (user + system) / MESSAGES }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
try {
  const results = new Map(Object.keys(WAYS).map((way) => [way, []]))
  await round(undefined)
  for (let i = 0; i < Number(rounds); i++)
    for (const [way, quota] of Object.entries(WAYS)) results.get(way).push(await round(quota))
  for (const [way, runs] of results) {
    const rate = Math.round(median(runs.map((run) => run.rate)))
    const cpuUs = Math.round(median(runs.map((run) => run.cpuUs)))
    console.log(`${way.padEnd(30)} ${String(rate).padStart(7)} messages/s ${cpuUs} µs of CPU each`)
  }
} finally {
  await store.close()
  rmSync(dataDir, { recursive: true, force: true })
}
