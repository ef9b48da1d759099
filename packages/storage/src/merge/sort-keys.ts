/** Groups up to this size are sorted by insertion, comparing keys byte by byte. */
const INSERTION_MAX = 12
/** Bits of a number that counts exactly. */
const EXACT_BITS = 53

/** Where keys lie: key `i` has `lengths[i]` bytes from `starts[i]` on in `buffers[bufferOf[i]]`. */
export interface KeyPlaces {
  readonly buffers: readonly Uint8Array[]
  readonly bufferOf: Uint32Array
  readonly starts: Uint32Array
  readonly lengths: Uint16Array
}

/**
 * Sorts keys by their bytes, as `Buffer.compare` orders them, most significant bytes first. A group
 * of keys that agree so far first skips what they have in common; then a window of the next bytes,
 * as many as fit, is packed into one number together with the key's rank in the group, and the
 * numbers are sorted natively. Keys with the same window make the groups of the next round. This
 * takes a few passes where a sort by comparison would look at each key some 20 times.
 *
 * Pure. Keys must be different from each other.
 *
 * @see McIlroy, Bostic, McIlroy, "Engineering Radix Sort", Computing Systems 6, 1993.
 */
export class KeySorter {
  private readonly packed: Float64Array
  private readonly before: Uint32Array
  /** Groups still to be sorted, three numbers each: from, to, and the bytes that they agree in. */
  private readonly groups: number[] = []

  /** @param groupMax The most keys that one call of `sort` will be given. */
  constructor(
    private readonly keys: KeyPlaces,
    groupMax: number,
  ) {
    this.packed = new Float64Array(groupMax)
    this.before = new Uint32Array(groupMax)
  }

  /** Sorts `order[from..to)`, whose elements are numbers of keys. */
  sort(order: Uint32Array, from: number, to: number): void {
    const { groups } = this
    groups.push(from, to, 0)
    while (groups.length > 0) {
      const depth = groups.pop()!
      const groupTo = groups.pop()!
      const groupFrom = groups.pop()!
      if (groupTo - groupFrom <= INSERTION_MAX) this.insertionSort(order, groupFrom, groupTo, depth)
      else
        this.sortByWindow(
          order,
          groupFrom,
          groupTo,
          depth + this.common(order, groupFrom, groupTo, depth),
        )
    }
  }

  private insertionSort(order: Uint32Array, from: number, to: number, depth: number): void {
    for (let i = from + 1; i < to; i += 1) {
      const key = order[i]!
      let j = i - 1
      while (j >= from && this.isAbove(order[j]!, key, depth)) {
        order[j + 1] = order[j]!
        j -= 1
      }
      order[j + 1] = key
    }
  }

  /** Whether key `a` comes after key `b`; both agree in their first `depth` bytes. */
  private isAbove(a: number, b: number, depth: number): boolean {
    const { buffers, bufferOf, starts, lengths } = this.keys
    const aBytes = buffers[bufferOf[a]!]!
    const bBytes = buffers[bufferOf[b]!]!
    const aStart = starts[a]!
    const bStart = starts[b]!
    const aLength = lengths[a]!
    const bLength = lengths[b]!
    const shorter = aLength < bLength ? aLength : bLength
    for (let i = depth; i < shorter; i += 1) {
      const difference = aBytes[aStart + i]! - bBytes[bStart + i]!
      if (difference !== 0) return difference > 0
    }
    return aLength > bLength
  }

  /** How many bytes from `depth` on all keys of the group have in common. */
  private common(order: Uint32Array, from: number, to: number, depth: number): number {
    const { buffers, bufferOf, starts, lengths } = this.keys
    const first = order[from]!
    const firstBytes = buffers[bufferOf[first]!]!
    const firstStart = starts[first]! + depth
    let common = lengths[first]! - depth
    for (let i = from + 1; i < to && common > 0; i += 1) {
      const key = order[i]!
      const bytes = buffers[bufferOf[key]!]!
      const start = starts[key]! + depth
      if (lengths[key]! - depth < common) common = lengths[key]! - depth
      let same = 0
      while (same < common && bytes[start + same] === firstBytes[firstStart + same]) same += 1
      common = same
    }
    return common
  }

  private sortByWindow(order: Uint32Array, from: number, to: number, depth: number): void {
    const count = to - from
    const rankBits = 32 - Math.clz32(count - 1)
    const windowBytes = (EXACT_BITS - rankBits) >>> 3
    const ranks = 2 ** rankBits
    const packed = this.packed.subarray(0, count)
    const { before } = this
    for (let rank = 0; rank < count; rank += 1) {
      const key = order[from + rank]!
      before[rank] = key
      packed[rank] = this.window(key, depth, windowBytes) * ranks + rank
    }
    packed.sort()
    let runFrom = from
    let runWindow = -1
    for (let i = 0; i < count; i += 1) {
      const value = packed[i]!
      const window = Math.floor(value / ranks)
      order[from + i] = before[value - window * ranks]!
      if (window === runWindow) continue
      this.settleRun(order, runFrom, from + i, depth + windowBytes)
      runFrom = from + i
      runWindow = window
    }
    this.settleRun(order, runFrom, to, depth + windowBytes)
  }

  /** The key's bytes from `depth` on as one number, with zeros behind a key that ends sooner. */
  private window(key: number, depth: number, windowBytes: number): number {
    const { buffers, bufferOf, starts, lengths } = this.keys
    const bytes = buffers[bufferOf[key]!]!
    const start = starts[key]! + depth
    const left = lengths[key]! - depth
    const held = left < windowBytes ? left : windowBytes
    let window = 0
    for (let i = 0; i < held; i += 1) window = window * 256 + bytes[start + i]!
    return window * 256 ** (windowBytes - held)
  }

  /**
   * The keys in `order[from..to)` have one window, which ends at `depth`. Those that end before are
   * prefixes of the others but for zeros: the shorter comes first, and no two are of one length. The
   * others come behind them, as a group for the next round.
   */
  private settleRun(order: Uint32Array, from: number, to: number, depth: number): void {
    if (to - from < 2) return
    const { lengths } = this.keys
    let endedTo = from
    for (let i = from; i < to; i += 1) {
      const key = order[i]!
      if (lengths[key]! > depth) continue
      order[i] = order[endedTo]!
      let j = endedTo - 1
      while (j >= from && lengths[order[j]!]! > lengths[key]!) {
        order[j + 1] = order[j]!
        j -= 1
      }
      order[j + 1] = key
      endedTo += 1
    }
    if (to - endedTo > 1) this.groups.push(endedTo, to, depth)
  }
}
