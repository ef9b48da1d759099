import { type CassioClient, CassioError } from '@cassiopeia/client'

/** One call as its caller saw it. */
export interface Call {
  readonly verb: 'set' | 'get' | 'del'
  readonly key: string
  readonly startedMs: number
  readonly endedMs: number
  readonly error: CassioError | undefined
}

const KEYS_PER_WORKER = 4

/**
 * Workers that set, get and del at QUORUM, each on keys of its own and one call at a time, so that
 * each answer can be judged at once: a read finds the last acknowledged write, or a later one whose
 * outcome is unknown.
 */
export class Workload {
  readonly calls: Call[] = []
  /** Reads that found what they must not find. */
  readonly lies: string[] = []
  private readonly keys = new Map<string, Possible>()
  private workers: Promise<void>[] = []
  private isOver = false

  constructor(private readonly name: string) {}

  /** Adds `count` workers that ask through `client`. */
  run(client: CassioClient, count: number): void {
    for (let i = 0; i < count; i += 1) this.workers.push(this.work(client, this.workers.length))
  }

  /** Ends when each worker's call is answered. */
  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.workers)
  }

  get failed(): Call[] {
    return this.calls.filter((call) => call.error !== undefined)
  }

  /** Calls that were begun since then, and have been answered well. */
  succeededSince(fromMs: number): number {
    return this.calls.filter(({ startedMs, error }) => startedMs >= fromMs && !error).length
  }

  /** Whether a read of each key gives what it may give. */
  async verify(client: CassioClient, consistency: 'QUORUM' | 'ALL'): Promise<void> {
    for (const [key, possible] of this.keys) {
      this.judge(key, possible, await client.get(key, { consistency }))
    }
  }

  private async work(client: CassioClient, worker: number): Promise<void> {
    for (let i = 0; !this.isOver; i += 1) {
      const key = `${this.name}-${worker}-${i % KEYS_PER_WORKER}`
      const possible = this.keys.get(key) ?? new Possible()
      this.keys.set(key, possible)
      const round = Math.floor(i / KEYS_PER_WORKER)
      // set, get, then del, get for every fourth key, so that most keys have a value at any time.
      const isDelete = round % 4 === 3
      if (isDelete) {
        await this.write('del', key, undefined, possible, () => client.del(key))
      } else {
        const value = `${key}-${i}`
        await this.write('set', key, value, possible, () => client.set(key, value))
      }
      await this.timed('get', key, async () => {
        this.judge(key, possible, await client.get(key))
      })
    }
  }

  private async write(
    verb: 'set' | 'del',
    key: string,
    value: string | undefined,
    possible: Possible,
    call: () => Promise<unknown>,
  ): Promise<void> {
    const error = await this.timed(verb, key, call)
    if (error === undefined) possible.acknowledged(value)
    else if (error.applied === 'unknown') possible.unknown(value)
  }

  private async timed(
    verb: Call['verb'],
    key: string,
    call: () => Promise<unknown>,
  ): Promise<CassioError | undefined> {
    const startedMs = performance.now()
    let error: CassioError | undefined
    try {
      await call()
    } catch (thrown) {
      if (!(thrown instanceof CassioError)) throw thrown
      error = thrown
      // The test is over, well or not; a closed client answers at once, for ever.
      if (error.code === 'CASSIO_CLOSED') this.isOver = true
    }
    this.calls.push({ verb, key, startedMs, endedMs: performance.now(), error })
    return error
  }

  private judge(key: string, possible: Possible, found: unknown): void {
    if (!possible.has(found)) this.lies.push(`${key}: ${String(found)}, not ${possible}`)
  }
}

/** What a read of one key may find. */
class Possible {
  private values: (string | undefined)[] = [undefined]

  acknowledged(value: string | undefined): void {
    this.values = [value]
  }

  unknown(value: string | undefined): void {
    this.values.push(value)
  }

  has(value: unknown): boolean {
    return this.values.some((each) => each === value)
  }

  toString(): string {
    return this.values.map(String).join(' or ')
  }
}
