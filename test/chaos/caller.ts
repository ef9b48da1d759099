import { setTimeout as sleep } from 'node:timers/promises'
import { type CassioClient, CassioError } from '@cassiopeia/client'
import { KeyedRandom } from '@cassiopeia/env'
import { drawOperations } from '../sim/draw-operations'
import { type OperationRecord, orderOf, type Recorder } from '../sim/history'
import type { Level, PlannedOperation } from '../sim/plan'
import type { ChaosPlan } from './plan'

/** So long callers stay with the same few keys: a checker's work grows with the calls of a key. */
export const GENERATION_MS = 15_000
const KEYS_PER_GENERATION = 24
/** Real nodes are quicker than what the simulation's calls are drawn for. */
const PACE = 3
/** Of the calls, how many go to a key of an earlier generation, which has been flushed since. */
const OLD_SHARE = 0.1

type Asked = Pick<PlannedOperation, 'verb' | 'level' | 'ttlMs'> & { readonly padBytes?: number }

/** The calls of a run, as the simulation draws them: a generation of keys after the other. */
export class Workload {
  private readonly generations: (readonly (readonly PlannedOperation[])[])[] = []

  constructor(private readonly plan: ChaosPlan) {}

  get keys(): string[] {
    return this.generations.flatMap((_, generation) => keysOf(generation))
  }

  operations(generation: number, caller: number): readonly PlannedOperation[] {
    for (let next = this.generations.length; next <= generation; next += 1) {
      const { seed, callers } = this.plan
      const time = { chaosMs: GENERATION_MS * PACE, lull: { atMs: 0, forMs: 0 } }
      // Each generation is a workload of its own: other shares of verbs, levels, sizes, expiry.
      const drawn = drawOperations(seed * 10_007 + next, callers, keysOf(next), time)
      this.generations.push(drawn)
    }
    return this.generations[generation]![caller]!
  }
}

export function keysOf(generation: number): string[] {
  return Array.from({ length: KEYS_PER_GENERATION }, (_, index) => `g${generation}-${index}`)
}

/**
 * What is written: `caller:sequence|`, and the same again as padding, so that no two writes of a run
 * share a value. The history gets the name alone, since long runs would not fit into memory.
 */
export class Values {
  private readonly lengths = new Map<string, number>()
  private sequence = 0

  next(caller: number, padBytes: number): { name: string; text: string } {
    this.sequence += 1
    const name = `${caller}:${this.sequence}|`
    const text = name.padEnd(name.length + padBytes, name)
    this.lengths.set(name, text.length)
    return { name, text }
  }

  /** @returns the name of a value that is whole; of anything else what it is, which nobody wrote. */
  nameOf(text: string): string {
    const name = `${text}`.slice(0, `${text}`.indexOf('|') + 1)
    const length = this.lengths.get(name)
    return length !== undefined && text === name.padEnd(length, name) ? name : `not whole: ${text}`
  }
}

/** Makes one call at a time, and writes down what it asked and heard. */
export class Caller {
  private readonly random: KeyedRandom

  constructor(
    private readonly index: number,
    private readonly plan: ChaosPlan,
    private readonly client: CassioClient,
    private readonly recorder: Recorder,
    private readonly values: Values,
    /** Errors that no call may end with. */
    private readonly onStrange: (error: unknown) => void,
  ) {
    this.random = new KeyedRandom(plan.seed, 'chaos:caller', String(index))
  }

  /** @param elapsedMs Since the chaos began. */
  async work(
    workload: Workload,
    elapsedMs: () => number,
    isOver: () => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    for (let generation = 0; !isOver(); generation += 1) {
      const endMs = (generation + 1) * GENERATION_MS
      for (const operation of workload.operations(generation, this.index)) {
        if (operation.waitMs > 0) {
          await sleep(operation.waitMs / PACE, undefined, { signal }).catch(() => {})
        }
        if (isOver() || elapsedMs() >= endMs) break
        const key = this.keyOf(operation.key, generation)
        await this.call(key, operation, 'chaos', this.plan.timeoutMs)
      }
      const restMs = endMs - elapsedMs()
      if (restMs > 0 && !isOver()) await sleep(restMs, undefined, { signal }).catch(() => {})
    }
  }

  /** All verbs, once all is healed. */
  async finish(keys: readonly string[], most: (key: string) => Level, ms: number): Promise<void> {
    for (const key of keys) {
      const level = most(key)
      await this.call(key, { verb: 'get', level: 'QUORUM' }, 'final', ms)
      await this.call(key, { verb: 'set', level }, 'final', ms)
      await this.call(key, { verb: 'get', level: 'QUORUM' }, 'final', ms)
      await this.call(key, { verb: 'del', level: 'QUORUM' }, 'final', ms)
      await this.call(key, { verb: 'get', level }, 'final', ms)
    }
  }

  read(key: string, level: Level, timeoutMs: number): Promise<OperationRecord> {
    return this.call(key, { verb: 'get', level }, 'final', timeoutMs)
  }

  private keyOf(key: string, generation: number): string {
    if (generation === 0 || !this.random.chance(OLD_SHARE)) return key
    const keys = keysOf(this.random.below(generation))
    return keys[this.random.below(keys.length)]!
  }

  private async call(
    key: string,
    { verb, level, ttlMs, padBytes = 0 }: Asked,
    phase: OperationRecord['phase'],
    timeoutMs: number,
  ): Promise<OperationRecord> {
    const { client, recorder, index } = this
    const value = verb === 'set' ? this.values.next(index, padBytes) : undefined
    const asked = { client: index, phase, verb, key, level, timeoutMs, value: value?.name }
    const record = recorder.invoke(ttlMs === undefined ? asked : { ...asked, ttlMs })
    const options = { consistency: level, timeoutMs }
    try {
      if (verb === 'get') {
        const entry = await client.getEntry<string>(key, options)
        const stamp = entry === undefined ? undefined : orderOf(entry.stamp)
        const read = entry === undefined ? undefined : this.values.nameOf(entry.value)
        const { expiresAtMs } = entry ?? {}
        recorder.complete(record, { outcome: 'ok', value: read, stamp, expiresAtMs })
      } else {
        const receipt =
          verb === 'del'
            ? await client.del(key, options)
            : await client.set(key, value?.text, { ...options, ttlMs })
        recorder.complete(record, { outcome: 'ok', stamp: orderOf(receipt.stamp) })
      }
    } catch (error) {
      if (!(error instanceof CassioError)) this.onStrange(error)
      const { applied } = error as CassioError
      const outcome = applied === 'none' ? 'fail' : 'unknown'
      recorder.complete(record, { outcome, error: describe(error as CassioError) })
    }
    return record
  }
}

function describe({ code, name, message, causes = [] }: CassioError): string {
  const reasons = causes.map((cause) => `${cause.node} ${cause.code} ${cause.message}`)
  return `${code ?? name}: ${message}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`
}
