import {
  CassioError,
  type RepairApplied,
  type RepairApply,
  type RepairBegin,
  type RepairBegun,
  type RepairCells,
  type RepairCommit,
  type RepairDigested,
  type RepairDigests,
  type RepairFetch,
  type RepairLeaves,
  type RepairList,
  type RepairListed,
  type RepairMark,
  type RepairMethod,
  type RepairPrepare,
  type RepairPrepared,
} from '@cassiopeia/protocol'
import { DIGEST_BYTES, DIGEST_LEAVES } from '@cassiopeia/storage'
import type { PeerCalls } from '../transport/peer-calls'
import type { PeerLink } from '../transport/peer-link'
import type { RepairPeer } from './repair-peer'

/** What is answered from memory, or by one write. */
const QUICK_MS = 10_000
/** Summing up partitions reads all that they hold: whoever asks takes fewer when that takes long. */
const DIGEST_MS = 30_000

/** Another node's side of a comparison, by calls; what it answers is checked. */
export class RemoteRepairPeer implements RepairPeer {
  constructor(
    private readonly calls: PeerCalls,
    private readonly peer: PeerLink,
  ) {}

  async begin(call: RepairBegin): Promise<RepairBegun> {
    const result = (await this.call('repair-begin', call, QUICK_MS)) as Partial<RepairBegun> | null
    const isSound =
      Number.isSafeInteger(result?.generation) &&
      isNumbers(result?.provenMs, call.partitions.length)
    return isSound ? (result as RepairBegun) : this.malformed()
  }

  async digests(call: RepairDigests): Promise<RepairDigested> {
    const answer = await this.call('repair-digests', call, DIGEST_MS)
    const result = answer as Partial<RepairDigested> | null
    const isSound =
      isBytes(result?.roots, call.partitions.length * DIGEST_BYTES) && isNumbers(result.damaged)
    return isSound ? (result as RepairDigested) : this.malformed()
  }

  async leaves(call: RepairLeaves): Promise<Buffer> {
    const leaves = await this.call('repair-leaves', call, DIGEST_MS)
    return isBytes(leaves, DIGEST_LEAVES * DIGEST_BYTES) ? leaves : this.malformed()
  }

  async list(call: RepairList): Promise<RepairListed> {
    const result = (await this.call('repair-list', call, QUICK_MS)) as Partial<RepairListed> | null
    const isSound =
      isBytes(result?.entries) && (result.until === undefined || isBytes(result.until))
    return isSound ? (result as RepairListed) : this.malformed()
  }

  async fetch(call: RepairFetch): Promise<RepairCells> {
    const result = (await this.call('repair-fetch', call, QUICK_MS)) as Partial<RepairCells> | null
    const isSound =
      Array.isArray(result?.cells) &&
      result.cells.every((cell) => isBytes(cell)) &&
      Number.isSafeInteger(result.looked) &&
      result.looked! > 0
    return isSound ? (result as RepairCells) : this.malformed()
  }

  async apply(call: RepairApply): Promise<RepairApplied> {
    const answer = await this.call('repair-apply', call, QUICK_MS)
    const result = answer as Partial<RepairApplied> | null
    return Number.isSafeInteger(result?.applied) ? (result as RepairApplied) : this.malformed()
  }

  async prepare(call: RepairPrepare): Promise<RepairPrepared> {
    const answer = await this.call('repair-prepare', call, QUICK_MS)
    const result = answer as Partial<RepairPrepared> | null
    return typeof result?.prepared === 'boolean' ? (result as RepairPrepared) : this.malformed()
  }

  async commit(call: RepairCommit): Promise<void> {
    await this.call('repair-commit', call, QUICK_MS)
  }

  async mark(call: RepairMark): Promise<void> {
    await this.call('repair-mark', call, QUICK_MS)
  }

  private call(method: RepairMethod, params: unknown, timeoutMs: number): Promise<unknown> {
    return this.calls.call(this.peer, method, params, timeoutMs)
  }

  private malformed(): never {
    throw new CassioError('CASSIO_PROTOCOL', `${this.peer.name}: its answer is malformed`)
  }
}

function isBytes(value: unknown, length?: number): value is Buffer {
  return value instanceof Uint8Array && (length === undefined || value.length === length)
}

function isNumbers(value: unknown, length?: number): boolean {
  return (
    Array.isArray(value) &&
    (length === undefined || value.length === length) &&
    value.every((each) => Number.isFinite(each))
  )
}
