import { invariant } from '../invariant'
import { Arena } from '../memtable/arena'
import type { ChunkPool } from '../memtable/chunk-pool'
import { Memtable } from '../memtable/memtable'
import type { SortedSlots } from '../memtable/sorted-slots'

/**
 * A memtable, the memory of its cells, and what of the commit log holds them. The newest generation
 * takes cells; the ones before wait until they are in a table, and are then let go of together with
 * their segments.
 */
export class Generation {
  readonly arena: Arena
  readonly memtable: Memtable
  /** The order of its large partitions, kept from scan to scan. */
  readonly orders = new Map<number, SortedSlots>()
  /** The first segment of the log that has its cells, or will; undefined before the first batch. */
  firstSegment: number | undefined
  /** Batches that gather or are on their way to the log. */
  batches = 0

  /** Scans that look at it, and 1 until it is in a table. */
  private users = 1

  /** @param bytes At about this size the next generation begins. */
  constructor(bytes: number, pool: ChunkPool) {
    this.arena = new Arena(bytes, pool)
    this.memtable = new Memtable(this.arena, pool)
  }

  retain(): void {
    this.users += 1
  }

  /** After the last user its memory is another's. */
  release(): void {
    this.users -= 1
    invariant(this.users >= 0, 'a generation is released once by each of its users')
    if (this.users > 0) return
    this.orders.clear()
    this.memtable.release()
    this.arena.release()
  }

  /** Memory held for it. */
  get memoryBytes(): number {
    return this.arena.bytes + this.memtable.bytes
  }

  /** Bytes in use, which decide when the next generation begins. */
  get usedBytes(): number {
    return this.memtable.usedBytes
  }
}
