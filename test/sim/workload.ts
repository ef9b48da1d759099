import { CassioClient, type CassioError } from '@cassiopeia/client'
import type { Ports } from '@cassiopeia/env'
import { clientName } from './faults'
import { type OperationRecord, orderOf, type Recorder } from './history'
import type { Level, Plan, PlannedOperation } from './plan'
import type { World } from './world'

/** What a call asks besides its key: a planned operation, or one of the final checks. */
type Asked = Pick<PlannedOperation, 'verb' | 'level' | 'ttlMs'> & { readonly padBytes?: number }

/** One client on a machine of its own, with what it asks written down. */
export class SimClient {
  readonly client: CassioClient
  private readonly ports: Ports
  private sequence = 0

  constructor(
    private readonly index: number,
    private readonly plan: Plan,
    world: World,
    private readonly recorder: Recorder,
  ) {
    this.ports = world.clientPorts(clientName(index))
    this.client = new CassioClient({
      ...plan.client,
      contactPoints: world.cluster.contactPoints,
      ports: this.ports,
    })
  }

  /** The planned calls, one after the other, until they are done or `isOver`. */
  async work(isOver: () => boolean): Promise<void> {
    for (const operation of this.plan.operations[this.index]!) {
      await this.sleep(operation.waitMs)
      if (isOver()) return
      await this.call(operation.key, operation, 'chaos', this.plan.client.timeoutMs)
    }
  }

  /** All verbs, on keys of which all replicas must answer, or a quorum, once all is healed. */
  async finish(keys: readonly string[], most: (key: string) => Level, ms: number): Promise<void> {
    for (const key of keys) {
      const level = most(key)
      await this.call(key, { verb: 'get', level: 'QUORUM' }, 'final', ms)
      await this.call(key, { verb: 'get', level }, 'final', ms)
      await this.call(key, { verb: 'set', level }, 'final', ms)
      await this.call(key, { verb: 'get', level: 'ONE' }, 'final', ms)
      await this.call(key, { verb: 'del', level: 'QUORUM' }, 'final', ms)
      await this.call(key, { verb: 'get', level: 'QUORUM' }, 'final', ms)
    }
  }

  /** A read outside of the workload. */
  read(key: string, level: Level, timeoutMs: number): Promise<OperationRecord> {
    return this.call(key, { verb: 'get', level }, 'final', timeoutMs)
  }

  private sleep(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve()
    return new Promise((resolve) => this.ports.timers.after(ms, resolve))
  }

  private async call(
    key: string,
    { verb, level, ttlMs, padBytes = 0 }: Asked,
    phase: OperationRecord['phase'],
    timeoutMs: number,
  ): Promise<OperationRecord> {
    const { client, recorder, index } = this
    const value = verb === 'set' ? this.nextValue(padBytes) : undefined
    const asked = { client: index, phase, verb, key, level, timeoutMs, value }
    const record = recorder.invoke(ttlMs === undefined ? asked : { ...asked, ttlMs })
    const options = { consistency: level, timeoutMs }
    try {
      if (verb === 'get') {
        const entry = await client.getEntry<string>(key, options)
        const stamp = entry === undefined ? undefined : orderOf(entry.stamp)
        const { value: read, expiresAtMs } = entry ?? {}
        recorder.complete(record, { outcome: 'ok', value: read, stamp, expiresAtMs })
      } else {
        const receipt =
          verb === 'del'
            ? await client.del(key, options)
            : await client.set(key, value, { ...options, ttlMs })
        recorder.complete(record, { outcome: 'ok', stamp: orderOf(receipt.stamp) })
      }
    } catch (caught) {
      const error = caught as CassioError
      const outcome = error.applied === 'none' ? 'fail' : 'unknown'
      recorder.complete(record, { outcome, error: describe(error) })
    }
    return record
  }

  /** `client:sequence`, and the same again as padding: no two writes of a run share a value. */
  private nextValue(padBytes: number): string {
    this.sequence += 1
    const name = `${this.index}:${this.sequence}|`
    return name.padEnd(name.length + padBytes, name)
  }
}

function describe({ code, name, message, causes = [] }: CassioError): string {
  const reasons = causes.map((cause) => `${cause.node} ${cause.code} ${cause.message}`)
  return `${code ?? name}: ${message}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`
}
