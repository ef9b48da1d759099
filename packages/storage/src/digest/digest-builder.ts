import {
  CELL_STAMP_AT,
  CellFlag,
  cellExpiryMs,
  cellFlags,
  cellKind,
  cellValue,
  crc32,
  isExpired,
  isTombstone,
  stampMs,
} from '@cassiopeia/protocol'
import { DIGEST_BYTES, DIGEST_LEAVES, EXPIRY_MARGIN_MS, type PartitionDigest } from './digest'

/**
 * Sums up the cells of a partition. Pure. All replicas must come to the same numbers, so none of this
 * may change without a new version of the calls by which they compare them.
 *
 * The digest of a cell, and of a leaf, are two u32 lanes, which are mixed apart from each other and
 * added modulo 2^32 each. It tells chance differences apart, to one in 2^64, and not forged ones.
 */
const HIGH_WORD = 0x1_0000_0000
const SEED_A = 0x243f6a88
const SEED_B = 0x85a308d3
const LEAF_SHIFT = 24
const NO_LEAVES = new Uint32Array(DIGEST_LEAVES * 2)

/** How the state of a cell is told in its digest. */
const LIVE = 0
const DEAD = 1
/** Live, and its stamp does not say which value it has: the client may have given it twice. */
const LIVE_BY_CLIENT = 2

/**
 * The leaf of a key, 0 to 255: independent of its partition, so that each leaf has its share of the
 * keys of one.
 *
 * @param hash `keyHash` of the key.
 */
export function digestLeafOf(hash: number): number {
  return mixA(hash ^ Math.imul(hash / HIGH_WORD, 0x27d4eb2f)) >>> LEAF_SHIFT
}

/** Whether a digest takes the cell as dead: a tombstone, or expired soon after the cutoff or before. */
export function isDeadIn(cell: Buffer, at: number, cutoffMs: number): boolean {
  return isTombstone(cell, at) || isExpired(cell, at, cutoffMs + EXPIRY_MARGIN_MS)
}

/** Whether a digest counts the cell, if it is the newest of its key. */
export function countsIn(cell: Buffer, at: number, cutoffMs: number, provenMs: number): boolean {
  const ms = stampMs(cell, at + CELL_STAMP_AT)
  return ms <= cutoffMs && (ms > provenMs || !isDeadIn(cell, at, cutoffMs))
}

/** The root of a partition's tree, 8 bytes; zeros when all leaves are. @param leaves As in a digest. */
export function rootOf(leaves: Uint8Array): Uint8Array {
  const view = new DataView(leaves.buffer, leaves.byteOffset, leaves.byteLength)
  let rootA = 0
  let rootB = 0
  for (let leaf = 0; leaf < DIGEST_LEAVES; leaf += 1) {
    const a = view.getUint32(leaf * DIGEST_BYTES)
    const b = view.getUint32(leaf * DIGEST_BYTES + 4)
    if (a === 0 && b === 0) continue
    rootA += mixA(mixA(mixA(SEED_A ^ leaf) ^ a) ^ b)
    rootB += mixB(mixB(mixB(SEED_B ^ leaf) ^ a) ^ b)
  }
  const root = new Uint8Array(DIGEST_BYTES)
  const words = new DataView(root.buffer)
  words.setUint32(0, rootA)
  words.setUint32(4, rootB)
  return root
}

/** Gathers the digests of partitions, one after the other. A slot that is filled anew for each. */
export class DigestBuilder {
  /** Of leaf `i` the lanes `2 i` and `2 i + 1`. */
  private readonly sums = new Uint32Array(DIGEST_LEAVES * 2)
  private provenMs = 0
  private cells = 0
  private dead = 0
  private above = 0
  private expiryMs = Number.POSITIVE_INFINITY
  private laneA = 0
  private laneB = 0

  constructor(private readonly cutoffMs: number) {}

  /** Begins a partition. @param provenMs As in the request. */
  begin(provenMs: number): void {
    if (this.cells > 0) this.sums.set(NO_LEAVES)
    this.provenMs = provenMs
    this.cells = 0
    this.dead = 0
    this.above = 0
    this.expiryMs = Number.POSITIVE_INFINITY
  }

  /** @param cell The newest of its key, at `cell[at]`. @param hash `keyHash` of that key. */
  add(cell: Buffer, at: number, hash: number): void {
    const { cutoffMs, sums } = this
    if (!countsIn(cell, at, cutoffMs, this.provenMs)) {
      if (stampMs(cell, at + CELL_STAMP_AT) > cutoffMs) this.above += 1
      return
    }
    const isDead = isDeadIn(cell, at, cutoffMs)
    this.cells += 1
    if (isDead) this.dead += 1
    else if ((cellFlags(cell, at) & CellFlag.expires) !== 0) {
      this.expiryMs = Math.min(this.expiryMs, cellExpiryMs(cell, at) - EXPIRY_MARGIN_MS)
    }
    this.digestOf(cell, at, hash, isDead)
    const lane = digestLeafOf(hash) * 2
    sums[lane] = sums[lane]! + this.laneA
    sums[lane + 1] = sums[lane + 1]! + this.laneB
  }

  /** What was added since `begin`. */
  take(partition: number, damaged: boolean): PartitionDigest {
    const { cells, dead, above, expiryMs } = this
    const leaves = cells === 0 || damaged ? undefined : this.encode()
    return { partition, leaves, cells, dead, above, expiryMs, damaged }
  }

  /** Big-endian, as leaves travel to other nodes. */
  private encode(): Uint8Array {
    const leaves = new Uint8Array(DIGEST_LEAVES * DIGEST_BYTES)
    const view = new DataView(leaves.buffer)
    for (let lane = 0; lane < DIGEST_LEAVES * 2; lane += 1) {
      view.setUint32(lane * 4, this.sums[lane]!)
    }
    return leaves
  }

  private digestOf(cell: Buffer, at: number, hash: number, isDead: boolean): void {
    this.laneA = SEED_A
    this.laneB = SEED_B
    this.mix(hash)
    this.mix(hash / HIGH_WORD)
    const stampAt = at + CELL_STAMP_AT
    for (let i = 0; i < 16; i += 4) this.mix(cell.readUInt32BE(stampAt + i))
    if (isDead) this.mix(DEAD)
    else if ((cellFlags(cell, at) & CellFlag.clientStamp) === 0) this.mix(LIVE)
    else {
      const expiryMs = cellExpiryMs(cell, at)
      this.mix(LIVE_BY_CLIENT)
      this.mix(crc32(cellValue(cell, at)))
      this.mix(cellKind(cell, at))
      this.mix(expiryMs)
      this.mix(expiryMs / HIGH_WORD)
    }
  }

  /** @param word Of which the lowest 32 bits before the point count. */
  private mix(word: number): void {
    this.laneA = mixA(this.laneA ^ word)
    this.laneB = mixB(this.laneB ^ word)
  }
}

/**
 * Bijections on 32-bit words in which every input bit flips each output bit about half of the time.
 *
 * @see Wellons, "Prospecting for hash functions", 2018 (`lowbias32`); Appleby, MurmurHash3 (`fmix32`).
 */
function mixA(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x7feb352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b)
  return mixed ^ (mixed >>> 16)
}

function mixB(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
