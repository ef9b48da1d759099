import type { NodeLoad } from '@cassiopeia/protocol'
import {
  type Digest,
  digestOf,
  type EndpointState,
  isNewer,
  readDigests,
  readStates,
} from './endpoint-state'
import { PhiAccrual } from './phi-accrual'

/**
 * Heartbeats spread as rumours, in three messages: `syn` names what the sender knows, `ack` returns
 * what it lacks and asks for what the receiver lacks, `ack2` delivers that.
 *
 * @see van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy Protocols",
 * LADIS 2008 (the digest exchange, as in Cassandra's gossip).
 */
export type GossipMessage =
  | { readonly type: 'syn'; readonly digests: readonly Digest[]; readonly wallMs?: number }
  | {
      readonly type: 'ack'
      readonly states: readonly EndpointState[]
      readonly wanted: readonly string[]
    }
  | { readonly type: 'ack2'; readonly states: readonly EndpointState[] }

export interface GossipOptions {
  readonly phiThreshold: number
  readonly phiWindow: number
  /** Gaps between heartbeats above this are outages and teach the detector nothing. */
  readonly gapMaxMs: number
  /** The interval at which nodes beat. */
  readonly gapMinMs?: number
}

/** Nodes heard of; what is said of further ones is ignored. */
const ENDPOINTS_MAX = 1_000

interface Endpoint {
  state: EndpointState
  detector: PhiAccrual
}

/**
 * One node's knowledge of all others' heartbeats. Pure: messages and times go in, messages come out.
 * It says whom to ask first; it decides nothing about who owns data. An endpoint that falls silent is
 * suspected, and never forgotten.
 */
export class GossipCore {
  private readonly endpoints = new Map<string, Endpoint>()
  /** Nodes that should be heard of and have not been. */
  private readonly awaited = new Map<string, PhiAccrual>()
  private own: EndpointState

  constructor(
    nodeId: string,
    generation: number,
    private readonly options: GossipOptions,
  ) {
    const sizes = { keys: 0, cellBytes: 0, memoryBytes: 0, logBytes: 0 }
    const load = { ...sizes, requests: 0, hintBytes: 0, unverifiedMs: -1 }
    this.own = { id: nodeId, generation, version: 1, load }
  }

  /** One heartbeat. @returns what to send to a few random peers. */
  beat(load: NodeLoad): GossipMessage {
    this.own = { ...this.own, version: this.own.version + 1, load }
    const others = [...this.endpoints.values()].map((endpoint) => digestOf(endpoint.state))
    return { type: 'syn', digests: [digestOf(this.own), ...others] }
  }

  /** @returns the answer, if there is one. Malformed parts of a message are ignored. */
  onMessage(message: unknown, nowMs: number): GossipMessage | undefined {
    const gossip = message as Partial<Record<string, unknown>> | null
    if (gossip?.type === 'syn') return this.onSyn(readDigests(gossip.digests))
    this.apply(readStates(gossip?.states), nowMs)
    if (gossip?.type !== 'ack' || !Array.isArray(gossip.wanted)) return undefined
    return { type: 'ack2', states: this.statesOf(gossip.wanted) }
  }

  /** A node that is a member will be heard of; from now on its silence is suspicious. */
  expect(nodeId: string, nowMs: number): void {
    if (nodeId === this.own.id || this.endpoints.has(nodeId) || this.awaited.has(nodeId)) return
    const detector = this.newDetector()
    detector.heartbeat(nowMs)
    this.awaited.set(nodeId, detector)
  }

  /** Suspicion of a peer; 0 for this node and for a peer not heard of yet and not expected. */
  phi(nodeId: string, nowMs: number): number {
    const detector = this.endpoints.get(nodeId)?.detector ?? this.awaited.get(nodeId)
    return detector?.phi(nowMs) ?? 0
  }

  suspects(nodeId: string, nowMs: number): boolean {
    return this.phi(nodeId, nowMs) >= this.options.phiThreshold
  }

  /** The latest that is known of a node; undefined when it has never been heard of. */
  stateOf(nodeId: string): EndpointState | undefined {
    return nodeId === this.own.id ? this.own : this.endpoints.get(nodeId)?.state
  }

  private onSyn(digests: readonly Digest[]): GossipMessage {
    const wanted: string[] = []
    const newerHere: EndpointState[] = []
    const named = new Set<string>()
    for (const [id, generation, version] of digests) {
      named.add(id)
      const known = this.stateOf(id)
      const theirs = { generation, version }
      if (known === undefined || isNewer(theirs, known)) wanted.push(id)
      else if (isNewer(known, theirs)) newerHere.push(known)
    }
    for (const { state } of this.endpoints.values()) if (!named.has(state.id)) newerHere.push(state)
    if (!named.has(this.own.id)) newerHere.push(this.own)
    return { type: 'ack', states: newerHere, wanted: wanted.filter((id) => id !== this.own.id) }
  }

  private statesOf(ids: readonly unknown[]): EndpointState[] {
    const wanted = new Set(ids)
    return [this.own, ...[...this.endpoints.values()].map((endpoint) => endpoint.state)].filter(
      (state) => wanted.has(state.id),
    )
  }

  private apply(states: readonly EndpointState[], nowMs: number): void {
    for (const state of states) {
      if (state.id === this.own.id) continue
      const known = this.endpoints.get(state.id)
      if (known !== undefined && !isNewer(state, known.state)) continue
      if (known === undefined && this.endpoints.size >= ENDPOINTS_MAX) continue
      const restarted = known === undefined || state.generation > known.state.generation
      const detector = restarted ? this.newDetector() : known.detector
      detector.heartbeat(nowMs)
      this.endpoints.set(state.id, { state, detector })
      this.awaited.delete(state.id)
    }
  }

  private newDetector(): PhiAccrual {
    const { phiWindow, gapMaxMs, gapMinMs } = this.options
    return new PhiAccrual(phiWindow, gapMaxMs, gapMinMs)
  }
}
