import type { Ports } from '@cassiopeia/env'
import type { RepairProgress, RepairStatus, VerifiedState } from '@cassiopeia/protocol'
import type { CellStore } from '@cassiopeia/storage'
import type { Stamper } from '../coordinator/stamper'
import type { Counters } from '../metrics'
import type { NodeSettings } from '../options'
import type { LocalReplica } from '../replica/local-replica'
import type { ClusterView } from '../topology/cluster-view'
import type { Identity } from '../topology/identity'
import type { PeerCalls } from '../transport/peer-calls'
import { AntiEntropy } from './anti-entropy'
import { LocalRepairPeer } from './local-repair-peer'
import { PartitionDigests } from './partition-digests'
import { ProofNews } from './proof-news'
import { RemoteRepairPeer } from './remote-repair-peer'
import { serveRepair } from './repair-calls'
import type { RepairState } from './repair-state'

/** Tombstones that may go are looked for once in this time, or in the interval of repair. */
const NEWS_MS_MAX = 60_000

export interface RepairServiceParts {
  readonly settings: NodeSettings
  readonly identity: Identity
  readonly store: CellStore
  readonly local: LocalReplica
  readonly state: RepairState
  readonly stamper: Stamper
  readonly counters: Counters
  readonly calls: PeerCalls
  readonly ports: Ports
  /** Requests of clients in flight. */
  readonly operations: () => number
}

/** A node's part in keeping replicas equal: it leads comparisons, and takes part in others'. */
export class RepairService {
  readonly state: RepairState
  private readonly own: LocalRepairPeer
  private readonly antiEntropy: AntiEntropy
  private readonly news: ProofNews

  constructor(parts: RepairServiceParts) {
    const { settings, identity, store, local, state, stamper, counters, calls, ports } = parts
    const { clock } = ports
    this.state = state
    const newsMs = Math.min(settings.repairIntervalMs, NEWS_MS_MAX)
    this.news = new ProofNews(() => store.proofsMoved(), newsMs, ports.timers)
    this.own = new LocalRepairPeer({
      store,
      local,
      state,
      digests: new PartitionDigests(store, local.fences, ports.buggify),
      news: this.news,
      stamper,
      counters,
      partitionBits: settings.partitionBits,
      generation: identity.generation,
      maxClockAheadMs: settings.maxClockAheadMs,
      wallMs: () => clock.wallMs(),
    })
    this.antiEntropy = new AntiEntropy({
      options: settings,
      state,
      clock,
      timers: ports.timers,
      random: ports.random,
      logger: ports.logger,
      counters,
      own: { name: settings.advertise, peer: this.own },
      participant: (view, member) => {
        const peer = view.peers[member]
        return {
          name: view.addressOf(member),
          peer: peer === undefined ? this.own : new RemoteRepairPeer(calls, peer),
        }
      },
      hybridMs: () => stamper.hybridMs,
      operations: parts.operations,
      buggify: ports.buggify,
    })
  }

  start(view: ClusterView): void {
    this.antiEntropy.start(view)
  }

  /** Another replica's call; undefined when it is none of repair's. */
  serve(view: ClusterView, method: string, params: unknown): Promise<unknown> | undefined {
    const { table, ownIndex } = view
    const holds = (partition: number) =>
      partition >= 0 && partition < table.partitionCount && table.holds(partition, ownIndex)
    return serveRepair(this.own, holds, method, params)
  }

  /** Serves a client's `repair`. */
  command(params: unknown): RepairProgress {
    return this.antiEntropy.command(params)
  }

  /** Something is missing on some replica of the partition. */
  mark(partition: number): void {
    this.antiEntropy.mark(partition)
  }

  markAll(): void {
    this.antiEntropy.markAll()
  }

  status(): RepairStatus {
    return this.antiEntropy.status()
  }

  /** As `RepairStatus.unverifiedMs`. */
  get unverifiedMs(): number {
    return this.antiEntropy.oldestMs()
  }

  provenMs(partition: number): number {
    return this.state.fences.provenOf(partition)
  }

  verifiedState(partition: number): VerifiedState | undefined {
    return this.antiEntropy.verifiedState(partition)
  }

  close(): Promise<void> {
    this.news.close()
    return this.antiEntropy.close()
  }
}
