import { expect, test } from 'vitest'
import { makeWishHeap, type Wish } from '../../../server/queue/wish-heap.ts'

interface Named extends Wish {
  readonly name: string
}
const wish = (name: string, at: number): Named => ({ name, at, place: -1, turn: 0 })

/** A fixed sequence that looks random: the same run every time. */
function* numbers(seed: number): Generator<number, never> {
  for (let x = seed; ;) {
    x = (x * 1_103_515_245 + 12_345) % 2_147_483_648
    yield x
  }
}

test('pops by time, equal times in order of arrival, through moves forward', () => {
  const heap = makeWishHeap<Named>()
  const random = numbers(7)
  const inside = new Map<Named, number>()
  let turn = 0
  for (let step = 0; step < 5_000; step++) {
    const dice = random.next().value % 10
    const entries = [...inside.keys()]
    const moved = entries[random.next().value % Math.max(1, entries.length)]
    if (dice < 5) {
      const entry = wish(`${step}`, random.next().value % 50)
      heap.put(entry)
      inside.set(entry, turn++)
    } else if (dice < 7 && moved !== undefined) {
      moved.at -= 1 + (random.next().value % 20)
      heap.put(moved)
      inside.set(moved, turn++)
    } else {
      const first = entries.sort((a, b) => a.at - b.at || inside.get(a)! - inside.get(b)!)[0]
      expect(heap.peek()).toBe(first)
      expect(heap.pop()).toBe(first)
      if (first !== undefined) {
        expect(first.place).toBe(-1)
        inside.delete(first)
      }
    }
    expect(heap.size()).toBe(inside.size)
  }
  expect(inside.size).toBeGreaterThan(100)
})

test('an empty heap gives nothing, a cleared one forgets', () => {
  const heap = makeWishHeap<Named>()
  expect(heap.pop()).toBeUndefined()
  const entry = wish('a', 1)
  heap.put(entry)
  heap.clear()
  expect([heap.peek(), heap.size(), entry.place]).toEqual([undefined, 0, -1])
})
