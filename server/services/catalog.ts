/** The operating settings in memory, kept fresh: at once after our own changes, within a second after another process's. */
import type { Clock, Log, Timer } from '../core/ports.ts'
import { catalogVersion, loadCatalog } from '../store/catalog.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'

const POLL_MS = 1_000

export interface Catalog {
  readonly current: CatalogSnapshot
  /** Reads the snapshot again when it is stale. Call after a change of your own. */
  refresh(): Promise<void>
  onChange(listener: (snapshot: CatalogSnapshot) => void): void
  close(): void
}

export async function openCatalog(store: Store, clock: Clock, log: Log): Promise<Catalog> {
  let current = await loadCatalog(store.across.read)
  const listeners: ((snapshot: CatalogSnapshot) => void)[] = []
  let closed = false
  let timer: Timer | undefined

  async function refresh(): Promise<void> {
    if (closed || (await catalogVersion(store.across.read)) === current.version) return
    current = await loadCatalog(store.across.read)
    for (const listener of listeners) listener(current)
  }
  function poll(): void {
    if (closed) return
    timer = clock.after(POLL_MS, () => {
      refresh().then(poll, (error: unknown) => {
        log.error({ err: error }, 'operating settings could not be read')
        poll()
      })
    })
  }
  poll()
  return {
    get current() {
      return current
    },
    refresh,
    onChange: (listener) => {
      listeners.push(listener)
    },
    close() {
      closed = true
      timer?.cancel()
    },
  }
}
