/**
 * Opens the database: migrates it, starts the writer thread, and gives readers a handle that cannot write. All
 * writes go through `writer`; Kysely builds them (`build`) and reads (`read`), so nothing here holds a transaction
 * open across an await.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteDialect,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type Database from 'better-sqlite3'
import type { TenantId } from '../core/ids.ts'
import type { Clock, Log } from '../core/ports.ts'
import { openDatabase } from './hot/database.ts'
import { migrate } from './migrate.ts'
import type { AllTenants, Schema } from './schema.ts'
import { tenantScope } from './tenant-scope.ts'
import type { Builder, SharedSchema, TenantScope } from './tenant-scope.ts'
import { startWriter } from './writer.ts'
import type { Writer } from './writer.ts'

export interface Store {
  /** Tables of the installation and of people. Those of tenants are not known here; see tenant-scope.ts. */
  readonly read: Kysely<SharedSchema>
  /** Compiles statements for `writer.write`; it cannot execute. */
  readonly build: Builder
  /** One tenant's rows, and no other's. */
  of(tenant: TenantId): TenantScope
  /** All tenants' rows at once: for the queue, retention, the catalogue. Who uses it is listed in a test. */
  readonly across: { readonly read: AllTenants; readonly build: Kysely<Schema> }
  readonly writer: Writer
  /** The read-only connection itself, for hot prepared reads. */
  readonly reader: Database.Database
  readonly file: string
  close(): Promise<void>
}

export interface StoreOptions {
  readonly dataDir: string
  readonly cacheKiB: number
  readonly clock: Clock
  readonly log: Log
  /** Of the audit chain, 32 bytes; not kept in the database. */
  readonly auditKey: Buffer
  readonly onFatal: (error: Error) => void
}

const DATABASE_NAME = 'posthorn.sqlite'
export const databaseFile = (dataDir: string): string => join(dataDir, DATABASE_NAME)

/** Makes the data directory (0700) when it is missing, migrates, and opens everything. */
export async function openStore(options: StoreOptions): Promise<Store> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  const file = databaseFile(options.dataDir)
  await prepareDatabase(file, options)
  const writer = startWriter({
    file,
    cacheKiB: options.cacheKiB,
    clock: options.clock,
    auditKey: options.auditKey,
    onFatal: options.onFatal,
  })
  const reader = openDatabase({ file, readonly: true, cacheKiB: options.cacheKiB })
  // The brand is in the type alone.
  const read = new Kysely<Schema>({
    dialect: new SqliteDialect({ database: reader }),
  }) as AllTenants
  return {
    // The same handles under narrower types.
    read: read as unknown as Kysely<SharedSchema>,
    build: compiler as unknown as Builder,
    of: (tenant) => tenantScope(tenant, { read, build: compiler }),
    across: { read, build: compiler },
    writer,
    reader,
    file,
    async close() {
      // Readers first: only a last connection that may write folds the log back into the database. Kysely closes
      // no connection that it has not used, and prepared reads go past it.
      await read.destroy()
      reader.close()
      await writer.close()
    },
  }
}

async function prepareDatabase(file: string, options: StoreOptions): Promise<void> {
  const isNew = !existsSync(file)
  const db = openDatabase({ file })
  try {
    if (isNew) chmodSync(file, 0o600)
    const { ran, backup } = await migrate(db, {
      backupTo: () => join(options.dataDir, `before-migration-${options.clock.now()}.sqlite`),
    })
    if (ran.length > 0 && !isNew) options.log.info({ ran, backup }, 'database migrated')
  } finally {
    db.close()
  }
}

/** Kysely without a connection: it only turns builders into SQL. */
const compiler = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})
