/**
 * Binary heap of wishes, earliest first; equal times leave in the order they came. An entry carries its own place, so
 * that moving it forward costs O(log n) and no search. It must never hold one entry twice.
 */

export interface Wish {
  /** When to run, epoch ms. */
  at: number
  /** Index in the heap; -1 outside of it. Owned by the heap. */
  place: number
  /** Breaks ties in order of arrival. Owned by the heap. */
  turn: number
}

export interface WishHeap<T extends Wish> {
  size(): number
  /** The earliest entry, left inside. */
  peek(): T | undefined
  pop(): T | undefined
  /** Adds an entry, or puts it right after its `at` became earlier. */
  put(entry: T): void
  clear(): void
}

const isBefore = (a: Wish, b: Wish): boolean => a.at < b.at || (a.at === b.at && a.turn < b.turn)

/** An empty heap. */
export function makeWishHeap<T extends Wish>(): WishHeap<T> {
  let entries: T[] = []
  let turn = 0

  const set = (entry: T, place: number): void => {
    entries[place] = entry
    entry.place = place
  }

  function rise(entry: T, from: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = entries[above]!
      if (!isBefore(entry, parent)) break
      set(parent, place)
      place = above
    }
    set(entry, place)
  }

  function sink(entry: T): void {
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= entries.length) break
      if (below + 1 < entries.length && isBefore(entries[below + 1]!, entries[below]!)) below++
      const child = entries[below]!
      if (!isBefore(child, entry)) break
      set(child, place)
      place = below
    }
    set(entry, place)
  }

  return {
    size: () => entries.length,
    peek: () => entries[0],
    pop() {
      const first = entries[0]
      const last = entries.pop()
      if (first === undefined || last === undefined) return undefined
      first.place = -1
      if (last !== first) sink(last)
      return first
    },
    put(entry) {
      entry.turn = turn++
      rise(entry, entry.place === -1 ? entries.length : entry.place)
    },
    clear() {
      for (const entry of entries) entry.place = -1
      entries = []
    },
  }
}
