import type { CassioClient } from '@cassiopeia/client'
import {
  CELL_STAMP_AT,
  cellSize,
  crc32,
  formatStamp,
  isExpired,
  isTombstone,
  type NodeStatus,
} from '@cassiopeia/protocol'
import type { Node, SimulatedCluster } from '@cassiopeia/server'
import { nodeName } from './faults'
import { type FinalNode, orderOf, type ReplicaState } from './history'
import { provenMsOf, storeOf } from './node-gauges'
import type { NodeLives } from './node-lives'

/** Looks at what the nodes hold, past all that nodes and clients do. */
export class Replicas {
  constructor(
    private readonly cluster: SimulatedCluster,
    private readonly lives: NodeLives,
    /** Knows where keys live. */
    private readonly client: CassioClient,
  ) {}

  /** Whether all replicas of the key serve, and none of them was damaged. */
  areWhole(key: string): boolean {
    const nodes = this.nodesOf(key)
    return nodes.every((node) => this.isWhole(node))
  }

  /** Whether one of the key's replicas was damaged, so that what the others hold need not be equal. */
  areDamaged(key: string): boolean {
    return this.nodesOf(key).some((node) => node === this.lives.damaged)
  }

  /** What the replicas hold that serve and are whole. */
  statesOf(key: string): ReplicaState[] {
    const { hash, partition } = this.client.where(key)
    const bytes = Buffer.from(key)
    return this.nodesOf(key)
      .filter((node) => this.isWhole(node))
      .map((node) => readCell(nodeName(node), this.cluster.node(node), bytes, partition, hash))
  }

  /** @param countsHints Whether nodes must have delivered all hints by now. */
  async finalNodes(countsHints: boolean): Promise<FinalNode[]> {
    const { alive } = this.lives
    const addresses = alive.map((node) => this.cluster.contactPoints[node]!)
    const all = alive
      .filter((node) => this.lives.serves(node))
      .map(async (index) => {
        const node = this.cluster.node(index)
        const status = (await node.onClientCall('status', null, node.nowMs() + 1_000)) as NodeStatus
        // Hints for those that will never be back are kept for as long as hints are.
        const peers = countsHints
          ? status.hints.peers.filter(({ address }) => addresses.includes(address))
          : []
        return {
          node: nodeName(index),
          epoch: status.epoch,
          hintBytes: peers.reduce((sum, { bytes }) => sum + bytes, 0),
          seesAll: node.sees(addresses),
        }
      })
    return Promise.all(all)
  }

  private isWhole(node: number): boolean {
    return this.lives.serves(node) && node !== this.lives.damaged
  }

  private nodesOf(key: string): number[] {
    const { replicas } = this.client.where(key)
    return replicas.map(({ address }) => this.cluster.contactPoints.indexOf(address))
  }
}

function readCell(
  name: string,
  node: Node,
  key: Buffer,
  partition: number,
  hash: number,
): ReplicaState {
  const provenMs = provenMsOf(node, partition)
  let state: ReplicaState = { node: name, state: 'damaged', stamp: null, digest: 0, provenMs }
  const sink = {
    onRead(_token: number, cell: Buffer | undefined, at: number): void {
      if (cell === undefined) {
        state = { ...state, state: 'none' }
        return
      }
      const isDead = isTombstone(cell, at)
      const isOver = isExpired(cell, at, node.wallMs())
      state = {
        ...state,
        state: isDead ? 'tombstone' : isOver ? 'expired' : 'value',
        stamp: orderOf(formatStamp(cell, at + CELL_STAMP_AT)),
        digest: crc32(cell.subarray(at, at + cellSize(cell, at))),
      }
    },
    onReadFailed(): void {},
  }
  storeOf(node).readSync(key, 0, key.length, partition, hash, sink, 0)
  return state
}
