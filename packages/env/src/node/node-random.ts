import { randomBytes, randomFillSync } from 'node:crypto'
import type { Random } from '../random'

/** Words drawn from the system at a time: one call into OpenSSL per draw would cost a microsecond. */
const poolWords = 1024

export class NodeRandom implements Random {
  private readonly pool = new Uint32Array(poolWords)
  private next = poolWords

  u32(): number {
    if (this.next === poolWords) {
      randomFillSync(this.pool)
      this.next = 0
    }
    return this.pool[this.next++]!
  }

  unit(): number {
    // 53 random bits: as many as a double holds below 1.
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53
  }

  bytes(length: number): Buffer {
    return randomBytes(length)
  }
}
