import type { Disk, Logger, Timer, Timers } from '@cassiopeia/env'
import { messageOf } from '../system-error'

/** Bytes of cells taken between two looks at the disk: so many, and no more than a share of the reserve. */
const LOOK_EVERY_BYTES_MAX = 8 * 1024 * 1024
const LOOK_EVERY_SHARE = 1 / 8
/** And milliseconds while it is full. */
const LOOK_EVERY_MS = 1_000
/** A disk without a reserve counts as free again from here on. */
const FREE_BYTES_MIN = 1024 * 1024

export interface SpacePorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly logger: Logger
}

/**
 * Whether the disk has room. Full is when a write met ENOSPC or less than the reserve is left: new
 * writes are refused then, and the reserve is there for compaction, which gives space back. While it
 * is full it looks every second.
 */
export class SpaceWatch {
  full = false
  private sinceLook = 0
  private looking = false
  private closed = false
  private timer: Timer | undefined
  private waiting: (() => void)[] = []

  constructor(
    private readonly directory: string,
    private readonly reserveBytes: number,
    private readonly ports: SpacePorts,
  ) {}

  /** So many bytes are about to be written: looks at the disk now and then. */
  spend(bytes: number): void {
    this.sinceLook += bytes
    if (this.reserveBytes === 0) return
    if (this.sinceLook < Math.min(LOOK_EVERY_BYTES_MAX, this.reserveBytes * LOOK_EVERY_SHARE))
      return
    this.sinceLook = 0
    void this.look()
  }

  /** Something met a full disk. */
  met(): void {
    this.setFull()
  }

  /** Resolves when there is room, or the watch is closed. */
  whenFree(): Promise<void> {
    if (!this.full || this.closed) return Promise.resolve()
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  /** Looks at the disk now. */
  async look(): Promise<void> {
    if (this.looking || this.closed) return
    this.looking = true
    try {
      const free = await this.ports.disk.freeBytes(this.directory)
      // With a margin, so that it does not go to and fro.
      const enough = this.full
        ? Math.max(this.reserveBytes * 1.25, FREE_BYTES_MIN)
        : this.reserveBytes
      if (free < enough) this.setFull()
      else this.setFree()
    } catch (error) {
      // A file system that cannot tell is taken to have room until a write says otherwise.
      this.ports.logger.warn('free space unknown', { error: messageOf(error) })
      this.setFree()
    } finally {
      this.looking = false
    }
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.release()
  }

  private setFull(): void {
    if (!this.full) {
      this.full = true
      this.ports.logger.error('disk full: writes are refused', { directory: this.directory })
    }
    if (this.closed) return
    this.timer ??= this.ports.timers.after(LOOK_EVERY_MS, () => {
      this.timer = undefined
      void this.look()
    })
  }

  private setFree(): void {
    if (!this.full) return
    this.full = false
    this.ports.logger.info('disk has room: writes are taken', { directory: this.directory })
    this.release()
  }

  private release(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}
