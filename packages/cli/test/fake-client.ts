import type { Entry, KeyLocation, RepairSummary, ScanEntry, WriteReceipt } from '@cassiopeia/client'
import { CassioError, type Explanation, type NodeStatus } from '@cassiopeia/protocol'
import type { Data } from '../src/shell/parse'
import type { RepairRequest, ScanRequest, VerbClient, WriteRequest } from '../src/verbs/client'
import { explanation, location, nodeStatus, repairSummary } from './samples'

/** A cluster that is a map. It notes the options of each call, and fails when it is told to. */
export class FakeClient implements VerbClient {
  readonly stored = new Map<string, Entry>()
  readonly calls: [name: string, options: unknown][] = []
  failWith: CassioError | undefined
  /** Calls that never settle, as those to a cluster that is silent. */
  isSilent = false
  superseded = false
  /** What the next repair comes to, and how far it was before. */
  repaired = repairSummary()
  repairedBefore: readonly number[] = []

  async set(key: Data, value: unknown, options: WriteRequest): Promise<WriteReceipt> {
    await this.note('set', options)
    const expiry = options.ttlMs === undefined ? {} : { expiresAtMs: 1_700_000_000_000 }
    this.stored.set(keyOf(key), { value, stamp: STAMP, ...expiry })
    return this.receipt()
  }

  async del(key: Data, options: WriteRequest): Promise<WriteReceipt> {
    await this.note('del', options)
    this.stored.delete(keyOf(key))
    return this.receipt()
  }

  async getEntry(key: Data, options: unknown): Promise<Entry | undefined> {
    await this.note('getEntry', options)
    return this.stored.get(keyOf(key))
  }

  async has(key: Data, options: unknown): Promise<boolean> {
    await this.note('has', options)
    return this.stored.has(keyOf(key))
  }

  async ttl(key: Data, options: unknown): Promise<number | undefined> {
    await this.note('ttl', options)
    const entry = this.stored.get(keyOf(key))
    if (entry === undefined) return undefined
    return entry.expiresAtMs === undefined ? Number.POSITIVE_INFINITY : 59_800
  }

  async getMany(keys: readonly Data[], options: unknown): Promise<unknown[]> {
    await this.note('getMany', options)
    return keys.map((key) => this.stored.get(keyOf(key))?.value)
  }

  async setMany(
    entries: readonly (readonly [Data, unknown])[],
    options: WriteRequest,
  ): Promise<WriteReceipt[]> {
    return Promise.all(entries.map(([key, value]) => this.set(key, value, options)))
  }

  async *keys(options: ScanRequest): AsyncGenerator<Buffer> {
    for await (const { key } of this.scan(options)) yield key
  }

  async *scan(options: ScanRequest): AsyncGenerator<ScanEntry<unknown, Buffer>> {
    await this.note('scan', options)
    const prefix = keyOf(options.prefix ?? '')
    for (const [hex, { value, stamp }] of this.stored) {
      if (hex.startsWith(prefix)) yield { key: Buffer.from(hex, 'hex'), value, stamp }
    }
  }

  async status(address: string | undefined, options: unknown): Promise<NodeStatus> {
    await this.note('status', { address, ...(options as object) })
    return nodeStatus()
  }

  async explain(_key: Data, options: unknown): Promise<Explanation> {
    await this.note('explain', options)
    return explanation()
  }

  async repair(options: RepairRequest): Promise<RepairSummary> {
    for (const done of this.repairedBefore) {
      options.onProgress({ ...this.repaired, done, waiting: [] })
    }
    await this.note('repair', options)
    return this.repaired
  }

  where(): KeyLocation {
    return location()
  }

  private async note(name: string, options: unknown): Promise<void> {
    this.calls.push([name, options])
    if (this.failWith !== undefined) throw this.failWith
    if (this.isSilent) await new Promise(() => {})
  }

  private receipt(): WriteReceipt {
    return { stamp: STAMP, acknowledged: 2, required: 2, superseded: this.superseded }
  }
}

export const STAMP = '1700000000000-7-0123456789abcdef'

export function unavailable(): CassioError {
  return new CassioError('CASSIO_UNAVAILABLE', '1 of 2 replicas is live', {
    received: 1,
    required: 2,
    causes: [{ node: '127.0.0.1:9001', code: 'CASSIO_CONNECTION', message: 'refused' }],
  })
}

/** Text and its bytes are one key. */
function keyOf(key: Data): string {
  return Buffer.from(key).toString('hex')
}
