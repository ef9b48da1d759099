import type {
  Entry,
  KeyLocation,
  RepairReport,
  RepairSummary,
  ScanEntry,
  WriteReceipt,
} from '@cassiopeia/client'
import type { Explanation, NodeStatus } from '@cassiopeia/protocol'
import type { Data } from '../shell/parse'
import type { RequestOptions } from './verb'

export interface WriteRequest extends RequestOptions {
  readonly ttlMs?: number
  readonly timestamp?: string
}

export interface ScanRequest extends RequestOptions {
  readonly prefix?: Data
  readonly pageSize?: number
  /** Not every key is text. */
  readonly keyEncoding: 'buffer'
}

export interface RepairRequest extends CallRequest {
  readonly partitions?: readonly number[]
  readonly onProgress: (report: RepairReport) => void
}

type CallRequest = Omit<RequestOptions, 'consistency'>

/** What verbs need of `CassioClient`; tests put a map in its place. */
export interface VerbClient {
  set(key: Data, value: unknown, options: WriteRequest): Promise<WriteReceipt>
  del(key: Data, options: WriteRequest): Promise<WriteReceipt>
  getEntry(key: Data, options: RequestOptions): Promise<Entry | undefined>
  has(key: Data, options: RequestOptions): Promise<boolean>
  ttl(key: Data, options: RequestOptions): Promise<number | undefined>
  getMany(keys: readonly Data[], options: RequestOptions): Promise<unknown[]>
  setMany(
    entries: readonly (readonly [Data, unknown])[],
    options: WriteRequest,
  ): Promise<WriteReceipt[]>
  keys(options: ScanRequest): AsyncIterable<Buffer>
  scan(options: ScanRequest): AsyncIterable<ScanEntry<unknown, Buffer>>
  status(address: string | undefined, options: CallRequest): Promise<NodeStatus>
  explain(key: Data, options: CallRequest): Promise<Explanation>
  repair(options: RepairRequest): Promise<RepairSummary>
  where(key: Data): KeyLocation
}
