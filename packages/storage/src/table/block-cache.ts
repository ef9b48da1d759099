import { invariant } from '../invariant'
import { ScratchPool } from './scratch-pool'

/** The piece of a table that is its filter and its index; blocks are 0 and up. */
export const META_PIECE = -1

/** Whoever put a piece in the cache: a table. */
export interface CacheOwner {
  /** The piece's memory is another's from now on. */
  onEvicted(piece: number): void
  /** Whether its filter and index must stay for now, as a lookup under way will need them. */
  readonly pinned: boolean
}

/** Entries that are given out together: the frames of one slab, or single pieces of memory. */
const GROUP_ENTRIES = 16
const GROUP_SHIFT = 4
const GroupUse = Object.freeze({ none: 0, slab: 1, single: 2 })
/** Room in a frame beside the cells: the trailer, for cells of some 40 bytes and more. */
const TRAILER_SHARE = 8
const FRAME_STEP = 64
/** Slabs are so small that a cache has at least so many. */
const SLABS_MIN = 16
/** No entry outlives more rounds of the hand without a hit. */
const CHANCES_MAX = 3
const NO_MEMORY = Buffer.alloc(0)

/**
 * The memory that all tables of a store share, within one budget: data blocks, and the filters and
 * indexes of tables. What was not used of late goes first (CLOCK).
 *
 * Blocks of the usual size lie in frames of slabs, which are filled again and again, so that reading
 * makes no garbage. A larger block keeps the memory that it came in. A hit costs no search: each table
 * notes the entry of each of its blocks, and is told when one goes.
 *
 * The budget is exceeded only by what lookups that are under way need.
 */
export class BlockCache {
  /** Memory held, by what for: slabs and large blocks; filters; indexes and the tables' notes. */
  blockBytes = 0
  filterBytes = 0
  indexBytes = 0
  /** Lookups that found their block here; blocks that were read from files. */
  hits = 0
  reads = 0
  /** Tables asked for a key, and how many of them had sent the lookup to a block in vain. */
  lookups = 0
  filterMisleads = 0
  /** Of each entry: its memory, where in it the payload lies, and how many rounds it may stay. */
  buffers: Buffer[] = []
  bases = new Uint32Array(0)
  lengths = new Uint32Array(0)
  chances = new Uint8Array(0)
  /** For reading frames; not part of the budget. */
  readonly scratch: ScratchPool
  private readonly frameBytes: number
  private readonly framesPerSlab: number
  private owners: (CacheOwner | undefined)[] = []
  private pieces = new Int32Array(0)
  /** Of entries that are no frames: bytes of block or index, and of filter. */
  private sizes = new Uint32Array(0)
  private filterSizes = new Uint32Array(0)
  private groups = 0
  private uses = new Uint8Array(0)
  /** Which entries of a group are free, one bit each. */
  private free = new Uint16Array(0)
  /** Groups that have had free entries since they were looked at; by use. */
  private readonly roomy: number[][] = [[], [], []]
  private hand = 0

  /**
   * @param bytesMax The budget.
   * @param usualBlockBytes `blockBytes` of the tables; other sizes work, but use memory less well.
   */
  constructor(
    private bytesMax: number,
    usualBlockBytes = 4096,
  ) {
    const bytes = usualBlockBytes + usualBlockBytes / TRAILER_SHARE
    this.frameBytes = Math.ceil(bytes / FRAME_STEP) * FRAME_STEP
    const frames = Math.floor(bytesMax / SLABS_MIN / this.frameBytes)
    this.framesPerSlab = Math.min(GROUP_ENTRIES, Math.max(1, frames))
    this.scratch = new ScratchPool(this.frameBytes)
  }

  get bytes(): number {
    return this.blockBytes + this.filterBytes + this.indexBytes
  }

  /** Sets another budget, and keeps within it from now on. */
  resize(bytesMax: number): void {
    this.bytesMax = bytesMax
    this.makeRoom(0)
  }

  /**
   * Takes the payload at `bytes[base..base + length)`: copies it, or keeps `bytes` when it is large and
   * `owned`, so that nobody else will write there. Others are evicted for it.
   *
   * @param chances How many rounds it may stay, 0 to 3; the owner raises `chances` when it is wanted.
   * @returns the entry.
   */
  addBlock(
    owner: CacheOwner,
    piece: number,
    chances: number,
    bytes: Buffer,
    base: number,
    length: number,
    owned: boolean,
  ): number {
    let entry: number
    if (length <= this.frameBytes) {
      entry = this.takeFrame()
      bytes.copy(this.buffers[entry]!, this.bases[entry]!, base, base + length)
    } else {
      const size = owned ? bytes.length : length
      this.makeRoom(size)
      entry = this.takeSingle()
      this.buffers[entry] = owned ? bytes : Buffer.from(bytes.subarray(base, base + length))
      this.bases[entry] = owned ? base : 0
      this.sizes[entry] = size
      this.blockBytes += size
    }
    this.lengths[entry] = length
    this.occupy(entry, owner, piece, chances)
    return entry
  }

  /** Counts a table's filter and index, which the owner keeps, and evicts others for them. */
  addMeta(owner: CacheOwner, chances: number, filterBytes: number, indexBytes: number): number {
    this.makeRoom(filterBytes + indexBytes)
    const entry = this.takeSingle()
    this.sizes[entry] = indexBytes
    this.filterSizes[entry] = filterBytes
    this.indexBytes += indexBytes
    this.filterBytes += filterBytes
    this.occupy(entry, owner, META_PIECE, chances)
    return entry
  }

  /** Counts memory that stays until it is given back by a negative number: a table's notes. */
  addNotes(bytes: number): void {
    this.indexBytes += bytes
    this.makeRoom(0)
  }

  /** Frees an entry; its owner is not told. */
  remove(entry: number): void {
    const group = entry >>> GROUP_SHIFT
    const use = this.uses[group]!
    if (use === GroupUse.single) {
      if (this.pieces[entry] === META_PIECE) {
        this.indexBytes -= this.sizes[entry]!
        this.filterBytes -= this.filterSizes[entry]!
      } else this.blockBytes -= this.sizes[entry]!
      this.buffers[entry] = NO_MEMORY
    }
    this.owners[entry] = undefined
    this.chances[entry] = 0
    if (this.free[group] === 0) this.roomy[use]!.push(group)
    this.free[group] = this.free[group]! | (1 << (entry % GROUP_ENTRIES))
  }

  private get slabBytes(): number {
    return this.framesPerSlab * this.frameBytes
  }

  private occupy(entry: number, owner: CacheOwner, piece: number, chances: number): void {
    invariant(chances <= CHANCES_MAX, 'an entry has few chances')
    this.owners[entry] = owner
    this.pieces[entry] = piece
    this.chances[entry] = chances
  }

  private evict(entry: number): void {
    const owner = this.owners[entry]!
    const piece = this.pieces[entry]!
    this.remove(entry)
    owner.onEvicted(piece)
  }

  private takeFrame(): number {
    const found = this.takeFree(GroupUse.slab)
    if (found !== undefined) return found
    let steps = this.groups * GROUP_ENTRIES * (CHANCES_MAX + 2)
    for (; steps > 0 && this.bytes + this.slabBytes > this.bytesMax; steps -= 1) {
      const entry = this.hand
      this.hand = (entry + 1) % (this.groups * GROUP_ENTRIES)
      if (!this.isCold(entry)) continue
      this.evict(entry)
      if (this.uses[entry >>> GROUP_SHIFT] === GroupUse.slab) return this.takeFree(GroupUse.slab)!
    }
    this.addSlab()
    return this.takeFree(GroupUse.slab)!
  }

  private takeSingle(): number {
    const found = this.takeFree(GroupUse.single)
    if (found !== undefined) return found
    this.beginGroup(GroupUse.single, GROUP_ENTRIES)
    return this.takeFree(GroupUse.single)!
  }

  /** Takes a free entry of a group in such use, if there is one. */
  private takeFree(use: number): number | undefined {
    const roomy = this.roomy[use]!
    while (roomy.length > 0) {
      const group = roomy.at(-1)!
      const free = this.free[group]!
      // A slab that was given up in the meantime, or one that has filled up.
      if (this.uses[group] !== use || free === 0) {
        roomy.pop()
        continue
      }
      const lowest = free & -free
      this.free[group] = free ^ lowest
      return group * GROUP_ENTRIES + (31 - Math.clz32(lowest))
    }
    return undefined
  }

  private addSlab(): void {
    const slab = Buffer.allocUnsafeSlow(this.slabBytes)
    const first = this.beginGroup(GroupUse.slab, this.framesPerSlab) * GROUP_ENTRIES
    for (let i = 0; i < this.framesPerSlab; i += 1) {
      this.buffers[first + i] = slab
      this.bases[first + i] = i * this.frameBytes
    }
    this.blockBytes += slab.length
  }

  private beginGroup(use: number, entries: number): number {
    const roomy = this.roomy[GroupUse.none]!
    const group = roomy.pop() ?? this.groups
    if (group === this.groups) this.groups += 1
    if (this.groups > this.uses.length) this.grow()
    this.uses[group] = use
    this.free[group] = (1 << entries) - 1
    this.roomy[use]!.push(group)
    return group
  }

  /** Evicts until `bytes` more fit, or nothing more may go. Frames go only by whole slabs. */
  private makeRoom(bytes: number): void {
    let steps = this.groups * (CHANCES_MAX + 2)
    for (; steps > 0 && this.bytes + bytes > this.bytesMax; steps -= 1) {
      const group = this.hand >>> GROUP_SHIFT
      this.hand = ((group + 1) % this.groups) * GROUP_ENTRIES
      if (this.uses[group] === GroupUse.slab) this.sweepSlab(group)
      else if (this.uses[group] === GroupUse.single) this.sweepSingles(group)
    }
  }

  private sweepSlab(group: number): void {
    const first = group * GROUP_ENTRIES
    let warm = false
    for (let entry = first; entry < first + this.framesPerSlab; entry += 1) {
      if (this.owners[entry] !== undefined && !this.isCold(entry)) warm = true
    }
    if (warm) return
    for (let entry = first; entry < first + this.framesPerSlab; entry += 1) {
      if (this.owners[entry] !== undefined) this.evict(entry)
      this.buffers[entry] = NO_MEMORY
    }
    this.blockBytes -= this.slabBytes
    this.endGroup(group)
  }

  private sweepSingles(group: number): void {
    const first = group * GROUP_ENTRIES
    for (let entry = first; entry < first + GROUP_ENTRIES; entry += 1) {
      if (this.isCold(entry)) this.evict(entry)
    }
  }

  private endGroup(group: number): void {
    this.uses[group] = GroupUse.none
    this.free[group] = 0
    this.roomy[GroupUse.none]!.push(group)
  }

  /** Whether the hand, passing an entry, may evict it; otherwise it has a chance less. */
  private isCold(entry: number): boolean {
    const owner = this.owners[entry]
    if (owner === undefined) return false
    const chances = this.chances[entry]!
    if (chances > 0) {
      this.chances[entry] = chances - 1
      return false
    }
    return this.pieces[entry] !== META_PIECE || !owner.pinned
  }

  private grow(): void {
    const groups = Math.max(4, this.uses.length * 2)
    const entries = groups * GROUP_ENTRIES
    this.uses = grown(this.uses, new Uint8Array(groups))
    this.free = grown(this.free, new Uint16Array(groups))
    this.bases = grown(this.bases, new Uint32Array(entries))
    this.lengths = grown(this.lengths, new Uint32Array(entries))
    this.chances = grown(this.chances, new Uint8Array(entries))
    this.pieces = grown(this.pieces, new Int32Array(entries))
    this.sizes = grown(this.sizes, new Uint32Array(entries))
    this.filterSizes = grown(this.filterSizes, new Uint32Array(entries))
    while (this.buffers.length < entries) this.buffers.push(NO_MEMORY)
    while (this.owners.length < entries) this.owners.push(undefined)
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from)
  return to
}
