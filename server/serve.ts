/** `posthorn serve`: the program itself. Prepares an empty installation, starts, says where to go, drains on a signal. */
import { mkdirSync } from 'node:fs'
import { buildApp } from './app.ts'
import type { App } from './app.ts'
import { EXIT } from './cli/command.ts'
import type { Command } from './cli/command.ts'
import type { Config } from './config/schema.ts'
import { AppError } from './core/errors.ts'
import { realPorts } from './ports.ts'
import { acquireInstanceLock } from './services/instance-lock.ts'
import { placeholderOwner, prepareInstallation } from './services/first-start.ts'
import { linkUrl } from './services/links.ts'
import { releaseAllLanes } from './store/lanes.ts'

/** A second signal while draining means now. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

export const serveCommand: Command = {
  name: 'serve',
  group: 'Run',
  summary: 'Start the server',
  details:
    'Listens, keeps, delivers. The first start makes the data directory, a master key, the database, a tenant and an owner.',
  async run({ config, io }) {
    const settings = config()
    mkdirSync(settings.dataDir, { recursive: true, mode: 0o700 })
    const lock = lockFor(settings)
    try {
      const app = await buildApp(settings, realPorts(settings.log.level))
      const stopped = untilSignal()
      try {
        const text = await begin(app, lock !== undefined)
        io.out(text)
        await stopped
        app.ports.log.info({}, 'draining')
      } finally {
        await app.close()
      }
    } finally {
      lock?.release()
    }
    return { text: '', data: { stopped: true }, exit: EXIT.ok }
  },
}

/** With the engine inside the process there can be one server per data directory; Redis lets several share it. */
function lockFor(config: Config): { release(): void } | undefined {
  if (config.redis.url !== undefined) return undefined
  const lock = acquireInstanceLock(config.dataDir)
  if ('heldBy' in lock)
    throw new AppError('STATE_CONFLICT', {
      public: `A server (process ${lock.heldBy}) already works on ${config.dataDir}. Stop it first, choose another data directory, or set redis.url to let several share one.`,
    })
  return lock
}

async function begin(app: App, isAlone: boolean): Promise<string> {
  const { clock, random } = app.ports
  const { setupToken } = await prepareInstallation({
    store: app.store,
    clock,
    random,
    hashKey: app.masterKey.derive('secret-hash'),
    ehlo: app.config.delivery.ehlo ?? app.hostname,
    ownerEmail: placeholderOwner(app.hostname),
  })
  // Whoever owned a lane before is gone: nobody else can be at work on this directory.
  if (isAlone) await releaseAllLanes(app.store)
  await app.catalog.refresh()
  await app.start()
  return banner(app, setupToken)
}

function banner(app: App, setupToken: string | undefined): string {
  const { http, submission } = app.addresses()
  const url = app.config.http.publicUrl ?? http
  return [
    '',
    'Posthorn is running.',
    ...(url === undefined ? [] : [`  API and its reference  ${url}/docs`]),
    ...submission.map(({ host, port }) => `  SMTP submission        ${host}:${port}`),
    `  Data                   ${app.config.dataDir}`,
    ...(setupToken === undefined ? [] : firstSteps(url, setupToken)),
    '',
    '',
  ].join('\n')
}

/** The link is good once; whoever has it becomes the owner. */
const firstSteps = (url: string | undefined, setupToken: string): readonly string[] => [
  '',
  ...(url === undefined
    ? []
    : [`Setup link of the owner, good once:  ${linkUrl(url, setupToken)}`, '']),
  'It is new here. In another terminal:',
  '  npx posthorn domain add example.com --verified   a domain to send from, and the DNS records to publish',
  '  npx posthorn key create my-app                   a key for the API',
  '  npx posthorn credential create my-app            a login for SMTP',
  'Mail from any other domain goes to the sandbox: kept, shown by the API, never sent.',
]

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve())
  })
}
