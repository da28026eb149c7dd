/** `posthorn migrate`: brings the database up to date, which the server also does when it starts. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { instanceHolder } from '../services/instance-lock.ts'
import { openDatabase } from '../store/hot/database.ts'
import { migrate as runMigrations, migrationState, type MigrationState } from '../store/migrate.ts'
import { databaseFile } from '../store/open.ts'
import type { Command, CommandResult } from './command.ts'

const namesOf = (specs: MigrationState['pending']): readonly string[] =>
  specs.map(({ name }) => name)

const listed = (title: string, names: readonly string[]): string =>
  `${title}: ${names.length === 0 ? 'none' : names.join(', ')}`

function dryRun(state: MigrationState): CommandResult {
  const statements = state.pending.map(
    ({ name, up }) => `-- ${name}\n${up.map((statement) => `${statement};`).join('\n')}`,
  )
  return {
    text: [
      listed('Applied', state.applied),
      listed('Pending', namesOf(state.pending)),
      ...statements,
    ].join('\n\n'),
    data: {
      applied: state.applied,
      pending: state.pending.map(({ name, up }) => ({ name, sql: up })),
      ran: [],
      backup: null,
    },
  }
}

export const migrate: Command = {
  name: 'migrate',
  group: 'Look after',
  summary: 'Bring the database up to date, after a copy of it was made',
  details:
    'The server does the same when it starts. Migrations only go forward; to go back, restore the copy.\n\nExamples\n  posthorn migrate --dry-run\n  posthorn migrate',
  options: { 'dry-run': { summary: 'Print what would run, as SQL, and do nothing' } },
  async run({ input, config, ports }) {
    const { dataDir } = config()
    const file = databaseFile(dataDir)
    if (!existsSync(file)) {
      return {
        text: `There is no database in ${dataDir} yet; the first start makes it.`,
        data: { applied: [], pending: [], ran: [], backup: null },
      }
    }
    const isDry = input.flag('dry-run')
    const db = openDatabase({ file, readonly: isDry })
    try {
      const state = migrationState(db)
      if (isDry) return dryRun(state)
      const holder = instanceHolder(dataDir)
      if (state.pending.length > 0 && holder !== undefined) {
        throw new AppError('STATE_CONFLICT', {
          public: `A server (process ${holder}) of an older version works on ${dataDir}. Stop it first.`,
        })
      }
      const { ran, backup } = await runMigrations(db, {
        backupTo: () => join(dataDir, `before-migration-${ports.clock.now()}.sqlite`),
      })
      const copy = backup === undefined ? '' : `\nThe database as it was: ${backup}`
      return {
        text: ran.length === 0 ? 'The database is up to date.' : `${listed('Ran', ran)}${copy}`,
        data: { applied: [...state.applied, ...ran], pending: [], ran, backup: backup ?? null },
      }
    } finally {
      db.close()
    }
  },
}
