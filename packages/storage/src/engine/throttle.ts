/** Sorted runs from which writes are slowed so that compaction keeps up, and at which it is slowest. */
const RUNS_SLOW = 12
const RUNS_SLOWEST = 32
/**
 * Bytes of tables above the bottom run that writes may pile up before they are slowed: a share of the
 * bottom run, or so many memtables in a small store. They are slowest at so much more.
 */
const UPPER_SHARE_SLOW = 0.34
const UPPER_MEMTABLES_SLOW = 3.4
const UPPER_SLOWEST = 1.3
/** Bytes a millisecond that are let in when compaction is furthest behind. */
const SLOWEST_BYTES_PER_MS = 500
/** A guess for before the first flush. */
const FLUSH_BYTES_PER_MS_FIRST = 50_000
/** The newest flush counts for this much of the estimate. */
const WEIGHT = 0.3
/** The longest single pause: acknowledgements wait for it. */
const PAUSE_MS_MAX = 50

/** What compaction has before it. */
export interface Backlog {
  /** Sorted runs of tables. */
  readonly runs: number
  /** Bytes in the largest run of values, and in all others. */
  readonly bottomBytes: number
  readonly upperBytes: number
}

/**
 * How long the next batch is held back so that flushing and compaction keep up: writes are slowed
 * before memory is full, before reads have too many runs to ask, and before what was overwritten
 * takes too much space; so they need not be stopped. Pure.
 */
export class Throttle {
  /** Bytes a millisecond that flushes have managed. */
  private flushBytesPerMs = FLUSH_BYTES_PER_MS_FIRST

  constructor(private readonly memtableBytes: number) {}

  /** A flush of a memtable of `bytes` took so long. */
  flushed(bytes: number, durationMs: number): void {
    const rate = bytes / Math.max(durationMs, 1)
    this.flushBytesPerMs += (rate - this.flushBytesPerMs) * WEIGHT
  }

  /**
   * @param waiting How many of the memtables that may wait for their flush do: 0 to 1.
   * @param fill How full the one is that takes cells: 0 to 1, above when it may not be replaced.
   * @returns the milliseconds that a batch of `bytes` waits; 0 most of the time.
   */
  pauseMs(bytes: number, waiting: number, fill: number, backlog: Backlog): number {
    const late = Math.max(lateByRuns(backlog), this.lateBySpace(backlog))
    const forCompaction = late > 0 ? bytes / this.rateAt(late) : 0
    return Math.min(PAUSE_MS_MAX, Math.max(this.forFlush(bytes, waiting, fill), forCompaction))
  }

  /** While the last memtable fills, no faster than the one before it is written. */
  private forFlush(bytes: number, waiting: number, fill: number): number {
    if (waiting < 1 || fill < 0.1) return 0
    // At half full as fast as flushes go, then slower and slower.
    const share = Math.max(0.02, Math.min(1.5, 2 * (1 - fill)))
    return bytes / (this.flushBytesPerMs * share)
  }

  /** From as fast as flushes go to the slowest by equal factors. */
  private rateAt(late: number): number {
    const { flushBytesPerMs } = this
    return flushBytesPerMs * Math.min(1, SLOWEST_BYTES_PER_MS / flushBytesPerMs) ** late
  }

  private lateBySpace({ upperBytes, bottomBytes }: Backlog): number {
    const slow = Math.max(bottomBytes * UPPER_SHARE_SLOW, this.memtableBytes * UPPER_MEMTABLES_SLOW)
    return lateness(upperBytes, slow, slow * UPPER_SLOWEST)
  }
}

function lateByRuns({ runs }: Backlog): number {
  return lateness(runs, RUNS_SLOW, RUNS_SLOWEST)
}

/** 0 up to `slow`, 1 from `slowest` on. */
function lateness(value: number, slow: number, slowest: number): number {
  return Math.min(1, Math.max(0, (value - slow) / (slowest - slow)))
}
