import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { type CassioClient, CassioError } from '@cassiopeia/client'
import type { KeyedRandom } from '@cassiopeia/env'
import { Cluster } from './processes'
import { Cleanup, seededRandom, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** Writes, and remembers what was acknowledged and what may be. */
class Writer {
  /** Keys that are written once. */
  readonly acknowledged = new Map<string, Buffer>()
  /** Keys that are overwritten again and again: the last version acknowledged, and the last begun. */
  readonly counters = new Map<string, { acknowledged: number; begun: number }>()
  readonly unexpected: unknown[] = []
  count = 0
  private readonly stop = new AbortController()
  private workers: Promise<void>[] = []

  constructor(
    private readonly client: CassioClient,
    private readonly random: KeyedRandom,
    private readonly valueBytesMax: number,
  ) {
    // One for each call that is under way.
    setMaxListeners(0, this.stop.signal)
  }

  start(round: number, workers: number): void {
    this.workers = Array.from({ length: workers }, (_, i) => this.work(`${round}-${i}`))
  }

  /** Gives up what is under way: nobody will answer it. */
  async end(): Promise<void> {
    this.stop.abort()
    await Promise.all(this.workers)
  }

  private async work(name: string): Promise<void> {
    const counter = { acknowledged: 0, begun: 0 }
    this.counters.set(`counter-${name}`, counter)
    for (let i = 1; !this.stop.signal.aborted; i += 1) {
      const key = `once-${name}-${i}`
      // Most are small; the chance of a size falls with the size.
      const bytes = Math.ceil(this.valueBytesMax * this.random.unit() ** 4)
      const value = Buffer.alloc(bytes, `${key}/`)
      if (await this.write(key, value)) this.acknowledged.set(key, value)
      counter.begun = i
      if (await this.write(`counter-${name}`, i)) counter.acknowledged = i
    }
  }

  private async write(key: string, value: unknown): Promise<boolean> {
    try {
      await this.client.set(key, value, { signal: this.stop.signal })
      this.count += 1
      return true
    } catch (error) {
      if (!(error instanceof CassioError)) this.unexpected.push(error)
      return false
    }
  }
}

async function verify(client: CassioClient, writer: Writer, level: 'QUORUM' | 'ALL') {
  const missing: string[] = []
  const keys = [...writer.acknowledged.keys()]
  const values = await client.getMany<Buffer>(keys, { consistency: level })
  for (const [i, key] of keys.entries()) {
    const found = values[i]
    const isThere = Buffer.isBuffer(found) && found.equals(writer.acknowledged.get(key)!)
    if (!isThere) missing.push(`${key}: ${found?.length} bytes`)
  }
  for (const [key, { acknowledged, begun }] of writer.counters) {
    const found = (await client.get<number>(key, { consistency: level })) ?? 0
    if (found < acknowledged || found > begun) {
      missing.push(`${key}: ${found}, not ${acknowledged} to ${begun}`)
    }
  }
  expect(missing).toEqual([])
}

describe('processes: kill -9 of all at once', () => {
  test.each([
    { what: 'small values', rounds: 4, valueBytesMax: 200, acks: 1_500, flags: [] },
    {
      what: 'values up to 800 KiB, many segments',
      rounds: 3,
      valueBytesMax: 800 * 1024,
      acks: 250,
      flags: ['--segment-bytes', String(4 * 1024 * 1024)],
    },
  ])(
    'commit log: $what: every acknowledged write is there after each restart ($rounds rounds, RF=3)',
    async ({ rounds, valueBytesMax, acks, flags }) => {
      const random = seededRandom('crash')
      const cluster = await Cluster.start(cleanup, { flags })
      const writers: Writer[] = []
      for (let round = 1; round <= rounds; round += 1) {
        const client = await cluster.client({ timeoutMs: 20_000 })
        const writer = new Writer(client, random, valueBytesMax)
        writers.push(writer)
        writer.start(round, 48)
        const target = 50 + random.below(acks)
        await until(`${target} writes`, () => writer.count >= target)
        // Any moment will do: it need not follow an answer.
        await pause(random.below(20))
        await cluster.killAll()
        await writer.end()
        await client.disconnect()
        expect(writer.unexpected).toEqual([])
        expect(writer.acknowledged.size).toBeGreaterThan(0)

        await cluster.startAll()
        const reader = await cluster.client({ timeoutMs: 20_000 })
        // The first level settles what was left half done, the second finds it everywhere.
        for (const each of writers) await verify(reader, each, 'QUORUM')
        for (const each of writers) await verify(reader, each, 'ALL')
        await reader.disconnect()
      }
    },
  )
})
