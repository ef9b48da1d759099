import { STAMP_BYTES, STAMP_COUNTER_MAX, writeStamp } from '@cassiopeia/protocol'
import type { TombstoneProof } from '../../src'
import { makeCell, openClient, PARTITIONS, simulate, type TestClient } from '../support'

const TOMBSTONES = 300

class MovingProof implements TombstoneProof {
  provenMs = 0

  proofs(): Uint8Array {
    const bytes = Buffer.alloc(PARTITIONS * STAMP_BYTES)
    for (let at = 0; at < bytes.length && this.provenMs > 0; at += STAMP_BYTES) {
      writeStamp(bytes, at, this.provenMs, STAMP_COUNTER_MAX, Buffer.alloc(8, 0xff))
    }
    return bytes
  }
}

/** Half of the keys are deleted, and a full merge has applied that: only proofs are missing. */
async function fill(client: TestClient): Promise<void> {
  const keys = Array.from({ length: 2 * TOMBSTONES }, (_, i) => `key-${i}`)
  await Promise.all(keys.map((key) => client.write(makeCell({ key, ms: 1, value: 'value' }))))
  await client.store.flush()
  const deletes = keys.slice(0, TOMBSTONES)
  await Promise.all(
    deletes.map((key, i) => client.write(makeCell({ key, ms: 2 + i, tombstone: true }))),
  )
  await client.store.compact()
  expect(client.store.stats()).toMatchObject({ tombstones: TOMBSTONES, cells: 2 * TOMBSTONES })
}

describe('proofs moved', () => {
  test('proofs moved: tombstones are forgotten, and nothing else wakes the compactor', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const proof = new MovingProof()
      const client = await openClient(node.ports, { proof, filterBitsPerKey: 32 })
      await fill(client)
      proof.provenMs = TOMBSTONES / 2
      await sim.sleep(10_000)
      expect(client.store.stats().tombstonesForgotten).toBe(0)
      client.store.proofsMoved()
      await sim.sleep(1_000)
      expect(client.store.stats().tombstonesForgotten).toBe(TOMBSTONES / 2 - 1)
      proof.provenMs = TOMBSTONES + 1
      client.store.proofsMoved()
      await sim.sleep(1_000)
      expect(client.store.stats()).toMatchObject({ tombstones: 0, deleteTables: 0 })
      await client.store.close()
    })
  })

  test('proofs moved: while all of them are zero: no table is read in vain', async () => {
    const { sim, node } = simulate(1)
    await sim.run(async () => {
      const client = await openClient(node.ports, { proof: new MovingProof() })
      await fill(client)
      const { compactions } = client.store.stats()
      const calls = node.disk.ioCalls
      client.store.proofsMoved()
      await sim.sleep(1_000)
      expect(client.store.stats()).toMatchObject({ compactions, tombstones: TOMBSTONES })
      expect(node.disk.ioCalls).toBe(calls)
      await client.store.close()
    })
  })

  test('proofs moved: while a forget job is under way: it is done again', async () => {
    for (let waitMs = 0.01; waitMs < 3; waitMs += 0.1) {
      const { sim, node } = simulate(1)
      await sim.run(async () => {
        const proof = new MovingProof()
        const client = await openClient(node.ports, { proof, filterBitsPerKey: 32 })
        await fill(client)
        proof.provenMs = TOMBSTONES / 2
        client.store.proofsMoved()
        await sim.sleep(waitMs)
        proof.provenMs = TOMBSTONES + 1
        client.store.proofsMoved()
        await sim.sleep(1_000)
        expect([waitMs, client.store.stats().tombstones]).toEqual([waitMs, 0])
        await client.store.close()
      })
    }
  })
})
