/** The parts beside the program: database and broker. Pure judgements over probed facts. */
import type { RedisFacts } from '../../queue/probe.ts'
import type { DatabaseFacts } from '../../store/inspect.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

/** BullMQ needs commands of this version. */
const LEAST_REDIS = [6, 2] as const

/** `facts` undefined: there is no database yet; an error: it could not be read. */
export function judgeDatabase(facts: DatabaseFacts | Error | undefined): readonly Finding[] {
  const topic = 'database'
  if (facts === undefined) return [ok(topic, 'is made at the first start')]
  if (facts instanceof Error)
    return [
      fail(
        topic,
        facts.message,
        'start the version that wrote it, or restore a backup: posthorn restore',
      ),
    ]
  const sound =
    facts.integrity === 'ok'
      ? ok(topic, 'opens and is sound')
      : fail(
          topic,
          `is damaged: ${facts.integrity}`,
          'stop the server and restore a backup: posthorn restore',
        )
  const { applied, pending } = facts
  const schema =
    pending.length === 0
      ? ok('schema', `is up to date (${applied.at(-1) ?? 'none'})`)
      : warn(
          'schema',
          `lacks ${pending.join(', ')}`,
          'posthorn migrate; the next start does it, too',
        )
  return [sound, schema]
}

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < LEAST_REDIS[0] || (major === LEAST_REDIS[0] && minor < LEAST_REDIS[1])
}

/** `facts` undefined: no broker is configured; an error: it did not answer. */
export function judgeRedis(facts: RedisFacts | Error | undefined): readonly Finding[] {
  const topic = 'redis'
  if (facts === undefined) return [ok(topic, 'is not used: wake-ups stay inside the process')]
  if (facts instanceof Error)
    return [
      fail(
        topic,
        `does not answer: ${facts.message}`,
        'start it, or mend redis.url; without redis.url none is needed',
      ),
    ]
  const { version, maxmemoryPolicy, appendOnly } = facts
  const findings = [
    isOlder(version)
      ? fail(topic, `is version ${version}`, 'use Redis 6.2 or newer, or Valkey')
      : ok(topic, `answers, version ${version}`),
  ]
  if (maxmemoryPolicy !== 'noeviction')
    findings.push(
      fail(
        `${topic} memory`,
        `maxmemory-policy is ${maxmemoryPolicy}: wake-ups may be thrown away`,
        'set "maxmemory-policy noeviction" in redis.conf',
      ),
    )
  if (!appendOnly)
    findings.push(
      warn(
        `${topic} persistence`,
        'appendonly is off: after a restart of the broker wake-ups come late, up to a minute',
        'set "appendonly yes" in redis.conf',
      ),
    )
  return findings
}
