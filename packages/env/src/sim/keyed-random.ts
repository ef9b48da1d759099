/**
 * Counter-based randomness: the n-th draw of a stream is a hash of (seed, stream, actor, n), so a
 * draw more or less in one stream shifts no draw of any other. That keeps a failing run close to
 * itself while it is being shrunk.
 */
import type { Random } from '../random'

/** A global is slow to reach where tests run in a context of their own, and this is hot. */
const { imul } = Math

/** 2^32 divided by the golden ratio: spreads consecutive counters over all bits. */
const goldenRatio = 0x9e3779b9

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
export function mix32(value: number): number {
  value = imul(value ^ (value >>> 16), 0x85ebca6b)
  value = imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

/** FNV-1a over UTF-16 code units, mixed. */
export function hashText(text: string, start = 0x811c9dc5): number {
  let hash = start
  for (let index = 0; index < text.length; index += 1) {
    hash = imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return mix32(hash)
}

/** Every byte of a short buffer counts; of a long one the length and 256 bytes spread over it. */
export function hashBytes(bytes: Uint8Array): number {
  const stride = Math.max(1, Math.floor(bytes.length / 256))
  let hash = bytes.length ^ 0x811c9dc5
  for (let index = 0; index < bytes.length; index += stride) {
    hash = imul(hash ^ bytes[index]!, 0x01000193)
  }
  return hash >>> 0
}

export type Seed = number | string

export class KeyedRandom implements Random {
  private readonly keyLow: number
  private readonly keyHigh: number
  private counter = 0

  constructor(seed: Seed, stream: string, actor = '') {
    const key = `${seed}\0${stream}\0${actor}`
    this.keyLow = hashText(key)
    this.keyHigh = hashText(key, goldenRatio)
  }

  u32(): number {
    const counter = this.counter++
    return mix32(mix32(imul(counter, goldenRatio) + this.keyLow) ^ this.keyHigh)
  }

  unit(): number {
    return this.u32() / 2 ** 32
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let index = 0; index < length; index += 1) bytes[index] = this.u32()
    return bytes
  }

  /** A uniform integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  /** A uniform number in [low, high). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low)
  }

  /** True with this probability. Certain outcomes draw nothing. */
  chance(probability: number): boolean {
    return probability > 0 && (probability >= 1 || this.unit() < probability)
  }
}
