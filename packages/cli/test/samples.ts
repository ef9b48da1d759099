import type { KeyLocation, RepairSummary } from '@cassiopeia/client'
import type { Explanation, MemberStatus, NodeLoad, NodeStatus } from '@cassiopeia/protocol'

export function member(n: number, changes: Partial<MemberStatus> = {}): MemberStatus {
  return {
    id: `0000000${n}-aaaa-4bbb-8ccc-dddddddddddd`,
    address: `127.0.0.1:900${n}`,
    rack: 'rack1',
    datacenter: 'dc1',
    state: 'alive',
    phi: 0.25,
    connected: true,
    latencyMs: 0.34,
    generation: 3,
    heartbeat: 120,
    partitions: 4096,
    load: load(),
    ...changes,
  }
}

export function load(changes: Partial<NodeLoad> = {}): NodeLoad {
  return {
    keys: 12,
    cellBytes: 1536,
    memoryBytes: 65_536,
    logBytes: 4096,
    requests: 40,
    hintBytes: 0,
    unverifiedMs: 12_345,
    ...changes,
  }
}

export function nodeStatus(changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    nodeId: member(0).id,
    address: '127.0.0.1:9000',
    version: '0.1.0',
    uptimeMs: 65_000,
    clusterId: 'feedbeef-aaaa-4bbb-8ccc-dddddddddddd',
    epoch: 1,
    replicationFactor: 3,
    partitionBits: 12,
    missing: [],
    members: [
      member(0, { phi: 0, latencyMs: 0, connected: false }),
      member(1),
      member(2, { state: 'suspected', phi: 12.04, connected: false, load: null }),
    ],
    clients: 1,
    operationsInFlight: 2,
    counters: { reads: 10, writes: 20 },
    hints: { bytes: 0, oldestMs: 0, peers: [] },
    repair: {
      enabled: true,
      leads: 1365,
      unverifiedMs: 12_345,
      neverVerified: 0,
      marked: 0,
      blocked: 0,
      active: false,
    },
    ...changes,
  }
}

export function explanation(changes: Partial<Explanation> = {}): Explanation {
  const vote = {
    node: member(0).id,
    address: '127.0.0.1:9000',
    state: 'value',
    verdict: 'newest',
    stamp: '1700000000000-7-0123456789abcdef',
    valueBytes: 5,
    expiryMs: 0,
    latencyMs: 0.21,
    provenMs: 1_699_999_990_000,
  } as const
  return {
    partition: 77,
    epoch: 1,
    wallMs: 1_700_000_001_000,
    coordinator: '127.0.0.1:9000',
    votes: [
      vote,
      {
        ...vote,
        node: member(1).id,
        address: '127.0.0.1:9001',
        state: 'tombstone',
        verdict: 'stale',
        stamp: '1699999999000-0-0123456789abcdef',
        valueBytes: 0,
      },
      {
        ...vote,
        node: member(2).id,
        address: '127.0.0.1:9002',
        state: 'silent',
        verdict: 'silent',
        stamp: null,
        valueBytes: 0,
        provenMs: 0,
      },
    ],
    outcome: 'value',
    winner: '1700000000000-7-0123456789abcdef',
    rule: 'the newest stamp wins',
    purge: null,
    ...changes,
  }
}

export function repairSummary(changes: Partial<RepairSummary> = {}): RepairSummary {
  return {
    total: 4096,
    verified: 4096,
    differed: 0,
    cells: 0,
    bytes: 0,
    failures: [],
    ...changes,
  }
}

export function location(): KeyLocation {
  return {
    hash: 0xabc,
    vector: [0.5, -0.25, 0.125, -1, 0, 0.1, 0.2, 0.3, 0.4, -0.99999],
    partition: 77,
    epoch: 1,
    replicas: [0, 1].map((n) => ({
      id: member(n).id,
      address: member(n).address,
      rack: 'rack1',
      datacenter: 'dc1',
      weight: 1,
      state: 'normal',
    })),
  }
}
