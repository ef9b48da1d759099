/** Slots to begin with; the table doubles when half of them are taken. A power of two. */
const SLOTS_MIN = 64

/**
 * What awaits an answer on one connection, by the id that the answer will bear.
 *
 * Ids rise by one and wrap after 2^32, so an id that was given up is not given out again for hours:
 * a late answer to it finds nothing. An id's low bits are its slot; ids whose slot is still taken
 * are skipped. Pure.
 */
export class RequestTable<T> {
  private ids = new Uint32Array(SLOTS_MIN)
  private entries: (T | undefined)[] = new Array(SLOTS_MIN).fill(undefined)
  private mask = SLOTS_MIN - 1
  private count = 0

  /** @param lastId The first id given out is the next one; only tests choose it. */
  constructor(private lastId = 0) {}

  get size(): number {
    return this.count
  }

  /** @returns the entry's id, 0 to 2^32 - 1. */
  add(entry: T): number {
    if (this.count * 2 >= this.entries.length) this.grow()
    let id = this.lastId
    let slot: number
    do {
      id = (id + 1) >>> 0
      slot = id & this.mask
    } while (this.entries[slot] !== undefined)
    this.lastId = id
    this.ids[slot] = id
    this.entries[slot] = entry
    this.count += 1
    return id
  }

  /** @returns what was added under `id`, once; undefined for an id that awaits nothing. */
  take(id: number): T | undefined {
    const slot = id & this.mask
    const entry = this.entries[slot]
    if (entry === undefined || this.ids[slot] !== id) return undefined
    this.entries[slot] = undefined
    this.count -= 1
    return entry
  }

  /** Empties the table. @returns what was in it, in no particular order. */
  takeAll(): T[] {
    const taken = this.entries.filter((entry) => entry !== undefined)
    this.entries.fill(undefined)
    this.count = 0
    return taken
  }

  /** Two ids that differ in their low bits still differ in one bit more, so nothing collides. */
  private grow(): void {
    const { ids, entries } = this
    const slots = entries.length * 2
    this.ids = new Uint32Array(slots)
    this.entries = new Array(slots).fill(undefined)
    this.mask = slots - 1
    for (let slot = 0; slot < entries.length; slot += 1) {
      if (entries[slot] === undefined) continue
      const id = ids[slot]!
      this.ids[id & this.mask] = id
      this.entries[id & this.mask] = entries[slot]
    }
  }
}
