import { nodePorts } from '@cassiopeia/env'
import {
  CassioError,
  type ClusterMap,
  type ConsistencyCode,
  type ControlMethod,
  consistencyName,
  type Explanation,
  keyHash,
  MessageType,
  type NodeStatus,
  type ScanParams,
} from '@cassiopeia/protocol'
import { AnswerShape, type Entry, type WriteReceipt } from './answers'
import { runAll } from './batch'
import {
  type CallOptions,
  checkNames,
  type DeleteOptions,
  keyEncodingOf,
  levelOf,
  OptionNames,
  PAGE_SIZE_MAX,
  partitionsOf,
  progressOf,
  type ReadOptions,
  type RepairOptions,
  type ScanOptions,
  signalOf,
  stampOf,
  timeoutOf,
  ttlOf,
  type WriteOptions,
  wholeNumber,
} from './call-options'
import type { ClusterView, KeyLocation } from './cluster-view'
import { Dispatcher } from './dispatcher'
import { encodeKey, encodePrefix, type Key } from './keys'
import { MapKeeper } from './map-keeper'
import {
  type ClientOptions,
  type ClientPorts,
  type ClientSettings,
  completeAddress,
  parseOptions,
} from './options'
import type { PoolNode } from './pool-node'
import { RepairRun } from './repair-run'
import type { RepairSummary } from './repair-summary'
import { mapEach, readKey, readScanEntry, type ScanEntry, scanCells } from './scan'
import { tombstoneCell, valueCell } from './values'

/** Calls of one `getMany`, `setMany` or `delMany` that are under way at once, at most. */
const BATCH_WINDOW = 128
const PAGE_SIZE_DEFAULT = 1_000
const NO_OPTIONS = Object.freeze({})

type State = 'new' | 'connecting' | 'connected' | 'closed'

/**
 * A client of a Cassiopeia cluster.
 *
 * Any number of calls may be under way at once; calls made in one turn of the event loop travel
 * together. Every call settles by its deadline. `docs/CLIENT.md` says what is tried again and what
 * that means for writes.
 *
 * Calls reject with a CassioError, whose `code` is stable and whose `applied` says whether a write
 * may have taken effect; wrong arguments reject with a TypeError or RangeError. Any call may meet
 * CASSIO_TIMEOUT, CASSIO_CONNECTION, CASSIO_UNAVAILABLE, CASSIO_OVERLOADED, CASSIO_UNAUTHORIZED,
 * CASSIO_ABORTED and CASSIO_CLOSED. Buffers that are passed in are copied before the call returns;
 * Buffers that come back are the caller's own.
 */
export class CassioClient {
  private readonly settings: ClientSettings
  private ports: ClientPorts | undefined
  private core: { dispatcher: Dispatcher; maps: MapKeeper } | undefined
  private state: State = 'new'
  private connecting: Promise<void> | undefined
  private closing: Promise<void> | undefined
  private readonly connectAborter = new AbortController()

  /** Opens nothing yet. @throws CassioError CASSIO_CONFIG naming every option that is wrong. */
  constructor(options: ClientOptions = {}) {
    this.settings = parseOptions(options)
    this.ports = this.settings.ports
  }

  /**
   * Reaches a contact point and learns the cluster map; connections to the other members follow in
   * the background. Calls may be made from now on, they wait for it. Concurrent calls share one
   * attempt; a client whose `connect` failed is closed.
   *
   * @throws CassioError CASSIO_CONNECTION, with a cause for each contact point, when none could be
   *   reached within `connectTimeoutMs`; CASSIO_UNAVAILABLE when the cluster has not formed by then;
   *   CASSIO_UNAUTHORIZED at once when every contact point refuses the secret; CASSIO_CLOSED after
   *   `disconnect`.
   */
  connect(): Promise<void> {
    if (this.state === 'closed') return Promise.reject(closedError())
    this.connecting ??= this.openAndLearn()
    return this.connecting
  }

  /**
   * Refuses new calls, waits until those under way are answered or out of time, and closes all
   * connections. Idempotent, and never fails.
   */
  disconnect(): Promise<void> {
    this.closing ??= this.drainAndClose()
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect()
  }

  /**
   * @returns the key's value as it was set, or undefined when there is none.
   * @throws CassioError CASSIO_KEY_TOO_LARGE, CASSIO_CORRUPT, and see above.
   */
  get<T = unknown>(key: Key, options?: ReadOptions): Promise<T | undefined> {
    return this.read(key, AnswerShape.value, options)
  }

  /** As `get`, with the value's stamp and expiry. */
  getEntry<T = unknown>(key: Key, options?: ReadOptions): Promise<Entry<T> | undefined> {
    return this.read(key, AnswerShape.entry, options)
  }

  /** Whether the key has a value. */
  has(key: Key, options?: ReadOptions): Promise<boolean> {
    return this.read(key, AnswerShape.presence, options)
  }

  /**
   * @returns milliseconds until the value expires, Infinity when it does not, undefined when there is
   *   no value. The expiry is by the coordinator's clock and the difference by this machine's: it is
   *   off by as much as the two clocks are apart.
   */
  async ttl(key: Key, options?: ReadOptions): Promise<number | undefined> {
    const entry = await this.getEntry(key, options)
    if (entry === undefined) return undefined
    if (entry.expiresAtMs === undefined) return Number.POSITIVE_INFINITY
    return Math.max(0, entry.expiresAtMs - this.ports!.clock.wallMs())
  }

  /**
   * Stores a value: a string, Buffer or Uint8Array, or anything that MessagePack can carry.
   * @throws CassioError CASSIO_KEY_TOO_LARGE, CASSIO_VALUE_TOO_LARGE, CASSIO_STAMP_AHEAD, see above;
   *   TypeError for `undefined`, functions, symbols and text with a lone surrogate.
   */
  set(key: Key, value: unknown, options: WriteOptions = NO_OPTIONS): Promise<WriteReceipt> {
    try {
      checkNames(options, OptionNames.write)
      const terms = { ttlMs: ttlOf(options), stamp: stampOf(options) }
      const keyBytes = encodeKey(key)
      return this.write(keyBytes, valueCell(keyBytes, value, terms), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Removes the key's value; also succeeds when there is none. */
  del(key: Key, options: DeleteOptions = NO_OPTIONS): Promise<WriteReceipt> {
    try {
      checkNames(options, OptionNames.del)
      const terms = { ttlMs: undefined, stamp: stampOf(options) }
      const keyBytes = encodeKey(key)
      return this.write(keyBytes, tombstoneCell(keyBytes, terms), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @returns the values in the order of the keys, undefined where there is none. */
  getMany<T = unknown>(keys: Iterable<Key>, options?: ReadOptions): Promise<(T | undefined)[]> {
    return this.runAll(keys, (key) => this.get<T>(key, options))
  }

  /**
   * Sets many keys (an array of pairs, a Map). Each is a write of its own: there is no transaction.
   * @throws as `set`; when others were written, or may be, `applied` is 'unknown'.
   */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options?: WriteOptions,
  ): Promise<WriteReceipt[]> {
    return this.runAll(entries, ([key, value]) => this.set(key, value, options))
  }

  /** Removes many keys; as `setMany`. */
  delMany(keys: Iterable<Key>, options?: DeleteOptions): Promise<WriteReceipt[]> {
    return this.runAll(keys, (key) => this.del(key, options))
  }

  /**
   * All keys, or those that begin with `prefix`, from the whole cluster, in the order of partitions.
   * A key that exists throughout comes exactly once; one that is written or removed meanwhile may
   * come or not.
   *
   * @throws CassioError CASSIO_INVALID at a key that is no UTF-8, unless `keyEncoding` is 'buffer'.
   */
  keys(options: ScanOptions & { readonly keyEncoding: 'buffer' }): AsyncGenerator<Buffer, void>
  keys(options?: ScanOptions): AsyncGenerator<string, void>
  keys(options: ScanOptions = NO_OPTIONS): AsyncGenerator<string | Buffer, void> {
    const encoding = keyEncodingOf(options)
    return mapEach(this.cells(options, true), (cell) => readKey(cell, encoding))
  }

  /** As `keys`, with the values and stamps. */
  scan<T = unknown>(
    options: ScanOptions & { readonly keyEncoding: 'buffer' },
  ): AsyncGenerator<ScanEntry<T, Buffer>, void>
  scan<T = unknown>(options?: ScanOptions): AsyncGenerator<ScanEntry<T>, void>
  scan(
    options: ScanOptions = NO_OPTIONS,
  ): AsyncGenerator<ScanEntry<unknown, string | Buffer>, void> {
    const encoding = keyEncodingOf(options)
    return mapEach(this.cells(options, false), (cell) => readScanEntry(cell, encoding))
  }

  /**
   * What a node says of itself and of the others.
   * @param address A member's or contact point's HOST:PORT; any node when omitted.
   * @throws CassioError CASSIO_INVALID for an address that is neither; CASSIO_CONNECTION.
   */
  async status(address?: string, options?: CallOptions): Promise<NodeStatus> {
    const target = address === undefined ? undefined : this.nodeAt(address)
    return this.call('status', null, -1, options, target)
  }

  /** Every replica's vote on a key, and the rule that decides. */
  async explain(key: Key, options?: CallOptions): Promise<Explanation> {
    const bytes = encodeKey(key)
    return this.call('explain', { key: bytes }, keyHash(bytes, 0, bytes.length), options)
  }

  /**
   * Has the replicas of each partition compared now, and made equal where they differ; they do so by
   * themselves too, by and by. Every member does it for the partitions that it leads; one that is in
   * the middle of an earlier run ends that first. `where(key).partition` is the partition of a key.
   *
   * A member that cannot be reached, or is lost on the way, is one of the summary's failures: while it
   * is down the next live replica leads its partitions, and without it nothing can be verified in which
   * it has a part. When `signal` fires all nodes are told to stop; after `disconnect` they go on.
   *
   * @throws CassioError CASSIO_CONNECTION or CASSIO_TIMEOUT, with a cause for each member, when none
   *   could be told; RangeError for what is no partition.
   */
  async repair(options: RepairOptions = NO_OPTIONS): Promise<RepairSummary> {
    checkNames(options, OptionNames.repair)
    const timeoutMs = timeoutOf(options, this.settings.timeoutMs)
    const signal = signalOf(options)
    const onProgress = progressOf(options)
    this.dispatcher()
    await this.connecting
    const { members, partitionBits } = this.view().map
    const partitions = partitionsOf(options, 2 ** partitionBits)
    const wanted = partitions?.length ?? 2 ** partitionBits
    const addresses = members.map(({ address }) => address)
    const runOptions = { addresses, partitions, wanted, timeoutMs, signal, onProgress }
    const run = new RepairRun(runOptions, {
      timers: this.ports!.timers,
      ask: async (address, params, questionTimeoutMs, questionSignal) => {
        const question = { timeoutMs: questionTimeoutMs, signal: questionSignal }
        return this.call('repair', params, -1, question, this.nodeAt(address))
      },
      isClosed: () => this.state === 'closed',
    })
    return run.run()
  }

  /** Where a key lives, computed from the cluster map alone. @throws CassioError CASSIO_INVALID. */
  where(key: Key): KeyLocation {
    return this.view().locate(encodeKey(key))
  }

  /** The cluster map in use. @throws CassioError CASSIO_INVALID before `connect` has succeeded. */
  clusterMap(): ClusterMap {
    return this.view().map
  }

  private async openAndLearn(): Promise<void> {
    this.state = 'connecting'
    const { dispatcher, maps } = this.build()
    dispatcher.pool.open()
    try {
      await maps.fetchFirst(this.settings.connectTimeoutMs, this.connectAborter.signal)
    } catch (error) {
      const reason = this.connectAborter.signal.aborted ? closedError() : error
      if (reason instanceof CassioError) dispatcher.failWaiting(reason)
      void this.disconnect()
      throw reason
    }
    if (this.state === 'connecting') this.state = 'connected'
  }

  private build(): { dispatcher: Dispatcher; maps: MapKeeper } {
    const ports = this.ports ?? nodePorts()
    const dispatcher = new Dispatcher(this.settings, ports, () => maps.refresh())
    const maps = new MapKeeper(dispatcher, ports)
    this.ports = ports
    this.core = { dispatcher, maps }
    return this.core
  }

  private async drainAndClose(): Promise<void> {
    const wasConnecting = this.state === 'connecting'
    this.state = 'closed'
    if (wasConnecting) this.connectAborter.abort()
    this.core?.maps.close()
    await this.core?.dispatcher.drain()
    await this.core?.dispatcher.close()
  }

  private read<T>(key: Key, shape: AnswerShape, options: ReadOptions = NO_OPTIONS): Promise<T> {
    try {
      checkNames(options, OptionNames.read)
      const bytes = encodeKey(key)
      return this.dispatcher().submit<T>({
        body: { type: MessageType.GET, bytes },
        hash: keyHash(bytes, 0, bytes.length),
        level: levelOf(options, this.settings.readLevel),
        shape,
        timeoutMs: timeoutOf(options, this.settings.timeoutMs),
        signal: signalOf(options),
        target: undefined,
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  private write(key: Buffer, cell: Buffer, options: DeleteOptions): Promise<WriteReceipt> {
    return this.dispatcher().submit<WriteReceipt>({
      body: { type: MessageType.PUT, bytes: cell },
      hash: keyHash(key, 0, key.length),
      level: levelOf(options, this.settings.writeLevel),
      shape: AnswerShape.receipt,
      timeoutMs: timeoutOf(options, this.settings.timeoutMs),
      signal: signalOf(options),
      target: undefined,
    })
  }

  private call<T>(
    method: ControlMethod,
    params: unknown,
    hash: number,
    options: CallOptions = NO_OPTIONS,
    target?: PoolNode,
  ): Promise<T> {
    checkNames(options, OptionNames.call)
    return this.dispatcher().submit<T>({
      body: { type: MessageType.CALL, method, params },
      hash,
      level: 0,
      shape: AnswerShape.result,
      timeoutMs: timeoutOf(options, this.settings.timeoutMs),
      signal: signalOf(options),
      target,
    })
  }

  private cells(options: ScanOptions, keysOnly: boolean): AsyncGenerator<Buffer, void> {
    checkNames(options, OptionNames.scan)
    const { prefix, pageSize = PAGE_SIZE_DEFAULT, timeoutMs } = options
    const callOptions = { timeoutMs, signal: signalOf(options) }
    const first: ScanParams = {
      partition: 0,
      limit: wholeNumber('pageSize', pageSize, PAGE_SIZE_MAX),
      level: consistencyName(levelOf(options, this.settings.readLevel) as ConsistencyCode),
      keysOnly,
      ...(prefix === undefined ? {} : { prefix: encodePrefix(prefix) }),
    }
    return scanCells((params) => this.call('scan', params, -1, callOptions), first)
  }

  private async runAll<I, T>(items: Iterable<I>, call: (item: I) => Promise<T>): Promise<T[]> {
    // Their parts are characters and numbers, which nobody means by keys.
    if (typeof items === 'string' || items instanceof Uint8Array) {
      throw new TypeError('expected a list, not one key')
    }
    const half = Math.ceil(this.settings.maxInFlight / 2)
    return runAll([...items], Math.min(BATCH_WINDOW, half), call)
  }

  private dispatcher(): Dispatcher {
    if (this.state === 'closed') throw closedError()
    if (this.core !== undefined) return this.core.dispatcher
    throw new CassioError('CASSIO_INVALID', 'connect() has not been called')
  }

  private view(): ClusterView {
    const view = this.core?.dispatcher.view
    if (view !== undefined) return view
    throw new CassioError('CASSIO_INVALID', 'there is no cluster map yet; await connect() first')
  }

  private nodeAt(address: string): PoolNode {
    const { pool } = this.dispatcher()
    const node = pool.nodeAt(completeAddress(address))
    if (node !== undefined) return node
    const message = `${address} is no member or contact point; known: ${pool.addresses.join(', ')}`
    throw new CassioError('CASSIO_INVALID', message)
  }
}

function closedError(): CassioError {
  return new CassioError('CASSIO_CLOSED', 'the client has been disconnected')
}
