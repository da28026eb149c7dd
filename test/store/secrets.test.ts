/** A rotation of the master key reaches every sealed secret, may be cut off anywhere, and loses nothing. */
import { readFileSync, utimesSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { realRandom } from '../../server/ports.ts'
import { loadMasterKey, masterKeyFile } from '../../server/services/auth/master-key.ts'
import { makeSeal } from '../../server/services/auth/seal.ts'
import { makeSecrets } from '../../server/services/secrets.ts'
import type { Secrets } from '../../server/services/secrets.ts'
import { ensureLane } from '../../server/store/lanes.ts'
import { SEALED_COLUMN_NAMES, SEALED_COLUMNS } from '../../server/store/sealed.ts'
import { asId } from '../../server/core/ids.ts'
import type { Store } from '../../server/store/open.ts'
import { installation, KEY, OPERATOR, sealDkimKey } from '../support/backup.ts'
import type { Installation } from '../support/backup.ts'

const secretsOf = (from: Installation, store: Store = from.store): Secrets =>
  makeSecrets({ ...from, store, random: realRandom })

/** A second process over the same data directory. */
const sealElsewhere = (from: Installation) =>
  makeSeal(loadMasterKey(from.dataDir, realRandom), realRandom)

const HOP = { host: 'relay.test', port: 587, tls: 'required', user: 'us' } as const

/** One secret in each column that can hold one, the DKIM key of the installation among them. */
async function filled(): Promise<Installation> {
  const from = await installation()
  const { store, seal, clock } = from
  const password = seal.seal('hop', 'next-hop')
  const { build } = store
  const now = clock.now()
  const route = {
    id: 1,
    position: 1,
    name: 'relay',
    match: '{}',
    pool_id: null,
    next_hop: JSON.stringify({ ...HOP, password }),
    created_at: now,
  }
  const plain = { ...route, id: 2, position: 2, name: 'open', next_hop: JSON.stringify(HOP) }
  const totp = {
    user_id: 7,
    secret: seal.seal('totp', 'totp'),
    last_step: 0,
    created_at: now,
    confirmed_at: now,
  }
  await store.writer.write(
    [
      build.insertInto('routes').values([route, plain]).compile(),
      build.insertInto('totp').values(totp).compile(),
    ].map((query) => ({ query })),
    { unaudited: 'a test' },
  )
  const destination = { kind: 'next-hop', ...HOP, password } as const
  await ensureLane(store, { source: asId('source', 1), destination }, now)
  return from
}

interface Found {
  readonly text: string | null
}
const textsOf = (from: Installation): Record<string, string[]> =>
  Object.fromEntries(
    SEALED_COLUMN_NAMES.map((column) => {
      const { table, value } = SEALED_COLUMNS[column]
      const rows = from.all<Found>(`select ${value} as text from ${table}`)
      return [column, rows.flatMap(({ text }) => (text === null ? [] : [text]))]
    }),
  )

const openAll = (from: Installation, seal = sealElsewhere(from)): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(textsOf(from)).map(([column, texts]) => [
      column,
      texts.map((text) =>
        seal.open(text, SEALED_COLUMNS[column as keyof typeof SEALED_COLUMNS].context),
      ),
    ]),
  )

const PLAIN = {
  'dkim_keys.private_key': ['pem'],
  'routes.next_hop': ['hop'],
  'lanes.target': ['hop'],
  'totp.secret': ['totp'],
}

describe('a rotation', () => {
  test('seals everything again, changes nothing else, and is in the audit log', async () => {
    const from = await filled()
    const routes = from.all('select id, name, match, pool_id from routes')
    const before = textsOf(from)
    const seen: number[] = []
    const result = await secretsOf(from).rotate(OPERATOR, {
      progress: ({ done, total }) => seen.push(done / total),
    })
    expect(result).toEqual({ version: 2, resealed: 4, unreadable: 0 })
    expect(seen).toEqual([0.25, 0.5, 0.75, 1])
    for (const [column, texts] of Object.entries(textsOf(from))) {
      expect(texts.map((text) => text.slice(0, 5))).toEqual(['s2.2.'])
      expect(texts).not.toEqual(before[column])
    }
    expect(openAll(from)).toEqual(PLAIN)
    expect(from.all('select id, name, match, pool_id from routes')).toEqual(routes)
    expect(
      JSON.parse(from.all<{ next_hop: string }>('select next_hop from routes')[0]!.next_hop),
    ).toMatchObject(HOP)
    expect(readFileSync(masterKeyFile(from.dataDir), 'utf8')).toContain(`1:${KEY}\n2:`)
    expect(from.all(`select actor_name, action, before, after from audit`)).toEqual([
      {
        actor_name: 'anna',
        action: 'secrets.rotated',
        before: '{"version":1}',
        after: '{"version":2}',
      },
    ])
    expect(await secretsOf(from).status()).toEqual({
      current: 2,
      outdated: 0,
      versions: [
        { version: 1, secrets: 0, isThere: true },
        { version: 2, secrets: 4, isThere: true },
      ],
    })
  })

  test('makes a running server read its settings again, and open them', async () => {
    const from = await filled()
    const version = () => from.all(`select value from settings where name = 'catalog.version'`)
    const before = version()
    const running = sealElsewhere(from)
    await secretsOf(from).rotate(OPERATOR)
    expect(version()).not.toEqual(before)
    expect(openAll(from, running)).toEqual(PLAIN)
  })

  test.each([1, 2, 3])('that is cut off after %i writes is finished later', async (writes) => {
    const from = await filled()
    let left = writes
    const store: Store = {
      ...from.store,
      writer: {
        ...from.store.writer,
        write: (...given) =>
          left-- > 0
            ? from.store.writer.write(...given)
            : Promise.reject(new Error('the process ended')),
      },
    }
    await expect(secretsOf(from, store).rotate(OPERATOR)).rejects.toThrow('the process ended')
    expect(openAll(from)).toEqual(PLAIN)
    const { outdated } = await secretsOf(from).status()
    expect(outdated).toBe(4 - (writes - 1))
    const result = await secretsOf(from).reseal(OPERATOR)
    expect(result).toEqual({ version: 2, resealed: outdated, unreadable: 0 })
    expect(openAll(from)).toEqual(PLAIN)
  })

  test('does not undo a change that was made meanwhile', async () => {
    const from = await filled()
    const changed = from.seal.seal('new', 'totp')
    let isFirst = true
    const store: Store = {
      ...from.store,
      writer: {
        ...from.store.writer,
        async write(...given) {
          const update = from.store.build.updateTable('totp').set({ secret: changed }).compile()
          if (isFirst) await from.store.writer.write([{ query: update }], { unaudited: 'a test' })
          isFirst = false
          return from.store.writer.write(...given)
        },
      },
    }
    await secretsOf(from, store).rotate(OPERATOR)
    expect(openAll(from)['totp.secret']).toEqual(['new'])
    // The change was read before its row was sealed anew, or is found by the next round.
    await secretsOf(from).reseal(OPERATOR)
    expect(openAll(from)['totp.secret']).toEqual(['new'])
  })

  test('leaves what cannot be opened as it is, says so, and goes on', async () => {
    const from = await filled()
    await sealDkimKey(from, { ...from.seal, seal: () => 's1.AAAA' }, '')
    for (let i = 0; i < 450; i++) await sealDkimKey(from, from.seal, `key ${i}`)
    const result = await secretsOf(from).rotate(OPERATOR)
    expect(result).toEqual({ version: 2, resealed: 454, unreadable: 1 })
    expect(from.log.lines.map(({ message }) => message)).toContain(
      'a sealed secret cannot be opened',
    )
    expect((await secretsOf(from).status()).outdated).toBe(1)
  })
})

describe('forgetting a version', () => {
  const old = (from: Installation): void => {
    const seconds = from.clock.now() / 1000 - 601
    utimesSync(masterKeyFile(from.dataDir), seconds, seconds)
  }
  test('works once nothing needs it, and a while has passed', async () => {
    const from = await filled()
    const secrets = secretsOf(from)
    await secrets.rotate(OPERATOR)
    await secrets.rotate(OPERATOR)
    await expect(secrets.forget(OPERATOR, 2)).rejects.toMatchObject({ public: /10 minutes/ })
    old(from)
    await secrets.forget(OPERATOR, 2)
    expect((await secrets.status()).versions.map(({ version }) => version)).toEqual([1, 3])
    expect(openAll(from)).toEqual(PLAIN)
    expect(from.all('select action from audit')).toContainEqual({ action: 'secrets.forgotten' })
  })

  test.each([
    [1, 'STATE_CONFLICT', /recovery key are derived from it/],
    [2, 'STATE_CONFLICT', /is needed by 1 secrets/],
    [3, 'STATE_CONFLICT', /is the current one/],
    [9, 'NOT_FOUND', /no version 9/],
  ])('version %i is refused: %s', async (version, code, text) => {
    const from = await filled()
    const secrets = secretsOf(from)
    await secrets.rotate(OPERATOR)
    const held = from.seal.seal('late', 'dkim')
    await secrets.rotate(OPERATOR)
    await sealDkimKey(from, { ...from.seal, seal: () => held }, '')
    old(from)
    await expect(secrets.forget(OPERATOR, version)).rejects.toMatchObject({ code, public: text })
    expect(openAll(from)['dkim_keys.private_key']).toEqual(['pem', 'late'])
  })
})
