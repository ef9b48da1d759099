import type { KeyedRandom } from './keyed-random'

const pageBytes = 4096
const sectorBytes = 512

/** Bytes that grow at the end and may be cut. */
class ByteLog {
  length = 0
  private bytes = Buffer.alloc(0)

  view(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  append(more: Uint8Array): void {
    this.reserve(this.length + more.length)
    this.bytes.set(more, this.length)
    this.length += more.length
  }

  /** Cuts, or extends with zeros, as ftruncate does. */
  resize(length: number): void {
    this.reserve(length)
    if (length < this.length) this.bytes.fill(0, length, this.length)
    this.length = length
  }

  private reserve(length: number): void {
    if (length <= this.bytes.length) return
    const grown = Buffer.alloc(Math.max(length, 2 * this.bytes.length, 256))
    grown.set(this.view())
    this.bytes = grown
  }
}

/** What a power cut does to everything that was not synced. */
export type CrashMode = 'keep' | 'drop' | 'mixed'

/**
 * A file's bytes twice: as readers see them (the page cache) and as the medium holds them. They
 * differ from `dirtyFrom` on; before it they are equal, unless a sync has failed.
 */
export class SimInode {
  private readonly current = new ByteLog()
  private readonly durable = new ByteLog()
  private dirtyFrom = 0

  get length(): number {
    return this.current.length
  }

  view(): Buffer {
    return this.current.view()
  }

  append(bytes: Uint8Array): void {
    this.current.append(bytes)
  }

  truncate(length: number): void {
    this.current.resize(length)
    this.dirtyFrom = Math.min(this.dirtyFrom, length)
  }

  /** Makes durable what lay before `upTo` when the sync began. */
  sync(upTo: number): void {
    const end = Math.min(upTo, this.current.length)
    if (end < this.dirtyFrom) return
    this.durable.resize(this.dirtyFrom)
    this.durable.append(this.current.view().subarray(this.dirtyFrom, end))
    this.dirtyFrom = end
  }

  /**
   * A sync that failed, as Linux has it: the pages count as clean though the medium never got them.
   * The next sync succeeds without writing them; only a power cut shows that they are gone.
   * @see Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
   */
  syncFailed(upTo: number): void {
    this.dirtyFrom = Math.max(this.dirtyFrom, Math.min(upTo, this.current.length))
  }

  /** The power fails: afterwards both copies are what the medium happened to get. */
  crash(mode: CrashMode, random: KeyedRandom): void {
    if (mode !== 'keep') {
      const survivor = mode === 'drop' ? Buffer.from(this.durable.view()) : this.tear(random)
      this.current.resize(0)
      this.current.append(survivor)
    } else {
      // Bytes that a failed sync lost are lost in the kindest crash too.
      this.durable.resize(Math.max(this.durable.length, this.dirtyFrom))
      this.current.view().set(this.durable.view().subarray(0, this.dirtyFrom))
    }
    this.dirtyFrom = 0
    this.durable.resize(0)
    this.sync(this.current.length)
  }

  /** Rot: one bit of the medium changes, and no page cache hides it. */
  flipBit(bit: number): void {
    const index = bit >>> 3
    if (index >= this.current.length) throw new RangeError(`no bit ${bit} in ${this.length} bytes`)
    const mask = 1 << (bit & 7)
    this.current.view()[index]! ^= mask
    if (index < this.durable.length) this.durable.view()[index]! ^= mask
  }

  /** Each dirty page is kept, lost, or torn into sectors; bytes before `dirtyFrom` stay whole. */
  private tear(random: KeyedRandom): Buffer {
    const old = this.durable.view()
    const recent = this.current.view()
    const low = Math.min(old.length, recent.length)
    const high = Math.max(old.length, recent.length)
    const length = low + random.below(high - low + 1)
    const torn = Buffer.alloc(length)
    torn.set(old.subarray(0, length))
    let from = this.dirtyFrom
    while (from < length) {
      const to = Math.min(length, (Math.floor(from / pageBytes) + 1) * pageBytes)
      const fate = random.below(3)
      if (fate === 0) torn.set(recent.subarray(from, to), from)
      else if (fate === 1) this.tearPage(torn, from, to, random)
      from = to
    }
    return torn
  }

  private tearPage(torn: Buffer, from: number, to: number, random: KeyedRandom): void {
    const recent = this.current.view()
    while (from < to) {
      const end = Math.min(to, (Math.floor(from / sectorBytes) + 1) * sectorBytes)
      const fate = random.below(3)
      if (fate === 0) torn.set(recent.subarray(from, end), from)
      else if (fate === 1) torn.set(random.bytes(end - from), from)
      from = end
    }
  }
}
