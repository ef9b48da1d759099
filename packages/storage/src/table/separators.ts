/** Bytes that a head is made of. */
const HEAD_BYTES = 4
/** Makes signed numbers, which need no memory of their own anywhere, order as unsigned ones do. */
const SIGN = 0x8000_0000

/**
 * The separators of a table's blocks, made ready for searching. Pure.
 *
 * The separators of one partition are a range. Their keys mostly share a long beginning, with which a
 * key is compared once; then numbers are: each separator has a *head*, the 4 bytes that follow the
 * shared ones, with zeros behind a shorter key. Only where heads are equal are bytes compared.
 */
export class Separators {
  /** Of each separator. */
  private readonly heads: Int32Array
  /** Of each range: its partition; these rise. */
  private readonly rangePartitions: Uint32Array
  /** Where it ends, which is where the next one begins. */
  private readonly rangeEnds: Uint32Array
  /** Bytes that its keys share, but for the empty key of a block that begins the partition. */
  private readonly rangeShared: Uint16Array

  /**
   * @param partitions Of each separator; ascending.
   * @param keyEnds Where in `keys` each one's key ends and the next one's begins; ascending.
   */
  constructor(
    partitions: Uint32Array,
    private readonly keyEnds: Uint32Array,
    private readonly keys: Buffer,
  ) {
    const ends = rangeEndsOf(partitions)
    this.heads = new Int32Array(partitions.length)
    this.rangeEnds = ends
    this.rangePartitions = new Uint32Array(ends.length)
    this.rangeShared = new Uint16Array(ends.length)
    for (let range = 0; range < ends.length; range += 1) {
      this.rangePartitions[range] = partitions[ends[range]! - 1]!
      this.prepare(range)
    }
  }

  /** Memory that it takes, without what it was given. */
  get bytes(): number {
    const { heads, rangePartitions, rangeEnds, rangeShared } = this
    const ranges = rangePartitions.byteLength + rangeEnds.byteLength + rangeShared.byteLength
    return heads.byteLength + ranges
  }

  /**
   * The last separator that is not above (partition, `key[from..to)`), but at least the first one; -1
   * when its partition is above.
   */
  find(partition: number, key: Buffer, from: number, to: number): number {
    const range = this.rangeOf(partition)
    if (range < 0) return -1
    const end = this.rangeEnds[range]!
    if (this.rangePartitions[range] !== partition) return end - 1
    const shared = this.rangeShared[range]!
    let low = this.lowest(range)
    let high = end
    const order = this.compareToShared(end - 1, shared, key, from, to)
    if (order !== 0) return order < 0 ? low : end - 1
    const { heads } = this
    const rest = from + shared
    const head = headOf(key, rest, to)
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      const other = heads[middle]!
      const above = other === head ? this.isAbove(middle, shared, key, rest, to) : other > head
      if (above) high = middle
      else low = middle
    }
    return low
  }

  /** The last range whose partition is not above; -1 when all are. */
  private rangeOf(partition: number): number {
    const { rangePartitions } = this
    let low = -1
    let high = rangePartitions.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (rangePartitions[middle]! > partition) high = middle
      else low = middle
    }
    return low
  }

  /** What `find` returns for a key below all keys of the range that are not empty. */
  private lowest(range: number): number {
    const start = range === 0 ? 0 : this.rangeEnds[range - 1]!
    return start === 0 || this.keyAt(start) === this.keyEnds[start] ? start : start - 1
  }

  private keyAt(separator: number): number {
    return separator === 0 ? 0 : this.keyEnds[separator - 1]!
  }

  /** Below 0, 0 or above 0, as the key is below, within or above the keys that begin as `last` does. */
  private compareToShared(
    last: number,
    shared: number,
    key: Buffer,
    from: number,
    to: number,
  ): number {
    const { keys } = this
    const at = this.keyAt(last)
    const length = Math.min(shared, to - from)
    for (let i = 0; i < length; i += 1) {
      const difference = key[from + i]! - keys[at + i]!
      if (difference !== 0) return difference
    }
    return length - shared
  }

  /** Whether the separator is above the key, by what follows the shared bytes: `key[rest..to)`. */
  private isAbove(
    separator: number,
    shared: number,
    key: Buffer,
    rest: number,
    to: number,
  ): boolean {
    const { keys } = this
    const end = this.keyEnds[separator]!
    let at = this.keyAt(separator) + shared
    for (let keyAt = rest; at < end; keyAt += 1) {
      if (keyAt === to) return true
      const difference = keys[at]! - key[keyAt]!
      if (difference !== 0) return difference > 0
      at += 1
    }
    return false
  }

  private prepare(range: number): void {
    const { heads, keyEnds, keys } = this
    const end = this.rangeEnds[range]!
    const first = this.lowest(range) + 1
    if (first >= end) return
    // All that lies between two keys in order shares what these do.
    const shared = this.sharedBytes(first, end - 1)
    this.rangeShared[range] = shared
    for (let i = first; i < end; i += 1)
      heads[i] = headOf(keys, this.keyAt(i) + shared, keyEnds[i]!)
  }

  private sharedBytes(a: number, b: number): number {
    const { keyEnds, keys } = this
    const aAt = this.keyAt(a)
    const bAt = this.keyAt(b)
    const length = Math.min(keyEnds[a]! - aAt, keyEnds[b]! - bAt)
    let i = 0
    while (i < length && keys[aAt + i] === keys[bAt + i]) i += 1
    return i
  }
}

function rangeEndsOf(partitions: Uint32Array): Uint32Array {
  const { length } = partitions
  let ranges = 0
  for (let i = 0; i < length; i += 1) if (partitions[i] !== partitions[i + 1]) ranges += 1
  const ends = new Uint32Array(ranges)
  let range = 0
  for (let i = 0; i < length; i += 1) {
    if (partitions[i] === partitions[i + 1]) continue
    ends[range] = i + 1
    range += 1
  }
  return ends
}

/** The first 4 of `bytes[from..to)` as a number that orders as they do, zeros for what is missing. */
function headOf(bytes: Buffer, from: number, to: number): number {
  let head = 0
  for (let at = from; at < from + HEAD_BYTES; at += 1)
    head = (head << 8) | (at < to ? bytes[at]! : 0)
  return head ^ SIGN
}
