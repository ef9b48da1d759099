import { GossipCore } from '../../../packages/server/src/gossip/gossip-core'

const INTERVAL_MS = 200

/**
 * Right after the start the failure detector knows few gaps. A heartbeat that was held up and came
 * together with the next one taught it that 5 ms is usual: an interval later the peer counted as
 * down, and calls at ALL were refused in a cluster with nothing wrong.
 */
test('scenario: two heartbeats that arrive together do not make the next interval suspicious', () => {
  const gossip = new GossipCore('me', 1, {
    phiThreshold: 8,
    phiWindow: 100,
    gapMaxMs: 2 * INTERVAL_MS,
    gapMinMs: INTERVAL_MS,
  })
  const hear = (version: number, nowMs: number) => {
    const load = { keys: 0, cellBytes: 0, memoryBytes: 0, logBytes: 0, requests: 0, hintBytes: 0 }
    const state = { id: 'peer', generation: 1, version, load: { ...load, unverifiedMs: 0 } }
    gossip.onMessage({ type: 'ack2', states: [state] }, nowMs)
  }
  hear(1, 195)
  hear(2, 200)
  expect(gossip.stateOf('peer')?.version).toBe(2)
  expect(gossip.suspects('peer', 2 * INTERVAL_MS)).toBe(false)
  expect(gossip.suspects('peer', 25 * INTERVAL_MS)).toBe(true)
})
