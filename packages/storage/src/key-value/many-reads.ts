import type { Clock } from '@cassiopeia/env'
import { type CassioError, keyHash } from '@cassiopeia/protocol'
import type { CellStore, ReadSink } from '../store'
import { copyOfValue, isLive } from './live-value'

/** Reads of one `getMany` that wait for the disk at once. */
const READS_WAITING_MAX = 64

export interface ManyReadsParts {
  readonly cells: CellStore
  readonly clock: Clock
  readonly partitionOf: (hash: number) => number
}

/** Reads many keys; the token of a read is the place of its key in the list. Used once. */
export class ManyReads implements ReadSink {
  private readonly values: (Buffer | undefined)[]
  private next = 0
  private waiting = 0
  private isGiving = false
  private resolve!: (values: (Buffer | undefined)[]) => void
  private reject!: (error: unknown) => void

  constructor(
    private readonly parts: ManyReadsParts,
    private readonly keys: readonly Buffer[],
  ) {
    this.values = new Array(keys.length)
  }

  run(): Promise<(Buffer | undefined)[]> {
    return new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
      this.give()
    })
  }

  onRead(token: number, cell: Buffer | undefined, at: number): void {
    const isThere = cell !== undefined && isLive(cell, at, this.parts.clock)
    this.values[token] = isThere ? copyOfValue(cell, at) : undefined
    this.waiting -= 1
    if (!this.isGiving) this.give()
  }

  onReadFailed(_token: number, error: CassioError): void {
    this.next = this.keys.length
    this.reject(error)
  }

  /** Calls reads until too many wait. Those that are answered from memory never do. */
  private give(): void {
    this.isGiving = true
    const { cells, partitionOf } = this.parts
    while (this.next < this.keys.length && this.waiting < READS_WAITING_MAX) {
      const token = this.next
      const key = this.keys[token]!
      const hash = keyHash(key, 0, key.length)
      this.next += 1
      this.waiting += 1
      cells.read(key, 0, key.length, partitionOf(hash), hash, this, token)
    }
    this.isGiving = false
    if (this.waiting === 0) this.resolve(this.values)
  }
}
