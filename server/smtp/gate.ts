/** Lets a number of holders in at a time; the others wait their turn, first come first served. */

export interface Gate {
  /** Resolves with the function that leaves again (idempotent). */
  enter(): Promise<() => void>
}

export function makeGate(places: number): Gate {
  const waiting: (() => void)[] = []
  let free = places

  function leave(): void {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
  function once(): () => void {
    let left = false
    return () => {
      if (left) return
      left = true
      leave()
    }
  }
  return {
    async enter() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      return once()
    },
  }
}
