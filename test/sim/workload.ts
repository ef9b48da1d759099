import { CassioClient, type CassioError } from '@cassiopeia/client'
import type { Ports } from '@cassiopeia/env'
import { clientName } from './faults'
import { type OperationRecord, orderOf, type Recorder } from './history'
import type { Level, Plan, PlannedOperation, Verb } from './plan'
import type { World } from './world'

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
    this.ports = world.cluster.clientPorts(clientName(index))
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
      await this.perform(operation)
    }
  }

  /** Everything at ALL must work once all is healed. */
  async finish(timeoutMs: number): Promise<void> {
    for (const key of this.plan.keys) {
      await this.call('get', key, 'QUORUM', 0, 'final', timeoutMs)
      await this.call('get', key, 'ALL', 0, 'final', timeoutMs)
      await this.call('set', key, 'ALL', 0, 'final', timeoutMs)
      await this.call('get', key, 'ONE', 0, 'final', timeoutMs)
      await this.call('del', key, 'QUORUM', 0, 'final', timeoutMs)
      await this.call('get', key, 'QUORUM', 0, 'final', timeoutMs)
    }
  }

  sleep(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve()
    return new Promise((resolve) => this.ports.timers.after(ms, resolve))
  }

  /** A read at every replica, outside of the workload. */
  readAll(key: string, timeoutMs: number): Promise<OperationRecord> {
    return this.call('get', key, 'ALL', 0, 'final', timeoutMs)
  }

  private perform({ verb, key, level, padBytes }: PlannedOperation): Promise<OperationRecord> {
    return this.call(verb, key, level, padBytes, 'chaos', this.plan.client.timeoutMs)
  }

  private async call(
    verb: Verb,
    key: string,
    consistency: Level,
    padBytes: number,
    phase: OperationRecord['phase'],
    timeoutMs: number,
  ): Promise<OperationRecord> {
    const { client, recorder, index } = this
    const value = verb === 'set' ? this.nextValue(padBytes) : undefined
    const record = recorder.invoke({
      client: index,
      phase,
      verb,
      key,
      level: consistency,
      timeoutMs,
      value,
    })
    const options = { consistency, timeoutMs }
    try {
      if (verb === 'get') {
        const entry = await client.getEntry<string>(key, options)
        const stamp = entry === undefined ? undefined : orderOf(entry.stamp)
        recorder.complete(record, { outcome: 'ok', value: entry?.value, stamp })
      } else {
        const receipt =
          verb === 'del' ? await client.del(key, options) : await client.set(key, value, options)
        recorder.complete(record, { outcome: 'ok', stamp: orderOf(receipt.stamp) })
      }
    } catch (caught) {
      const error = caught as CassioError
      const outcome = error.applied === 'none' ? 'fail' : 'unknown'
      recorder.complete(record, { outcome, error: describe(error) })
    }
    return record
  }

  /** `client:sequence`, then padding: no two writes of a run share a value. */
  private nextValue(padBytes: number): string {
    this.sequence += 1
    return `${this.index}:${this.sequence}|${'x'.repeat(padBytes)}`
  }
}

function describe({ code, name, message, causes = [] }: CassioError): string {
  const reasons = causes.map((cause) => `${cause.node} ${cause.code} ${cause.message}`)
  return `${code ?? name}: ${message}${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`
}
