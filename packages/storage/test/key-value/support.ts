import { type Clock, KeyedRandom } from '@cassiopeia/env'
import { KeyValueStore } from '../../src/key-value/key-value-store'
import { FakeCellStore } from './fake-cell-store'

export const NOW_MS = 1_700_000_000_000

export class FakeClock implements Clock {
  constructor(public ms = NOW_MS) {}

  monotonicMs(): number {
    return 0
  }

  wallMs(): number {
    return this.ms
  }
}

export interface World {
  readonly cells: FakeCellStore
  readonly clock: FakeClock
  readonly store: KeyValueStore
  /** A new store over the same cells, as after a restart. */
  reopen(): KeyValueStore
}

export function world(partitions = 1): World {
  const partitionOf = (hash: number) => hash % partitions
  const cells = new FakeCellStore(partitionOf)
  const clock = new FakeClock()
  const reopen = () => new KeyValueStore(cells, { clock, partitionOf, partitions })
  return { cells, clock, store: reopen(), reopen }
}

/** The error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it did not reject')
}

/** Runs a test once per seed; a failure names the seed and the command that replays it. */
export function testSeeds(
  name: string,
  seeds: number,
  run: (random: KeyedRandom) => Promise<void>,
): void {
  const only = process.env.CASSIO_SEED
  const list = only === undefined ? Array.from({ length: seeds }, (_, i) => i + 1) : [Number(only)]
  test(name, async () => {
    for (const seed of list) {
      try {
        await run(new KeyedRandom(seed, 'key-value'))
      } catch (error) {
        const { testPath } = expect.getState()
        const replay = `CASSIO_SEED=${seed} npx jest ${testPath} -t '${name}'`
        throw new Error(`seed ${seed} failed; replay with: ${replay}\n${(error as Error).stack}`)
      }
    }
  })
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

/** Keys as text, for comparing. */
export function texts(buffers: readonly Buffer[]): string[] {
  return buffers.map((buffer) => buffer.toString('latin1'))
}
