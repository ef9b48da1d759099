import { KeyedRandom, type SimProcess, type Simulation } from '@cassiopeia/env'
import { STAMP_BYTES, STAMP_COUNTER_MAX, writeStamp } from '@cassiopeia/protocol'
import { EXPIRY_MARGIN_MS, NEVER_PROVEN, type TombstoneProof } from '../../src'
import { randomOptions, writeGroup } from '../lockstep-support'
import {
  Model,
  makeCell,
  openClient,
  PARTITIONS,
  simulate,
  type TestClient,
  testSeeds,
} from '../support'
import { ALL, digestsOf, leavesOf } from './digest-support'

const PARTS = 4
const LAST_TAG = Buffer.alloc(8, 0xff)
/** Seeds of each part, which are several so that none takes long; more on the command line. */
const SEEDS = 60 * Number(process.env.CASSIO_SEEDS_FACTOR ?? 1)

/** What was forgotten, and reclaimed, in all seeds together. */
const done = { forgotten: 0, merged: 0 }

/** Proofs that only rise, as those of a cluster do. */
class RisingProof implements TombstoneProof {
  readonly provenMs: number[] = ALL.map(() => 0)

  proofs(): Uint8Array {
    const bytes = Buffer.alloc(PARTITIONS * STAMP_BYTES)
    for (const [partition, ms] of this.provenMs.entries()) {
      if (ms > 0) writeStamp(bytes, partition * STAMP_BYTES, ms, STAMP_COUNTER_MAX, LAST_TAG)
    }
    return bytes
  }
}

/** Two stores that are given the same cells; one forgets as far as proofs go, the other never. */
class Pair {
  private readonly random: KeyedRandom
  private readonly proof = new RisingProof()
  private readonly model = new Model()
  private readonly keys: number
  private clients: TestClient[] = []
  private background: Promise<void>[] = []
  private lastMs: number
  private made = 0
  private readonly firstMs: number

  constructor(
    seed: number,
    private readonly sim: Simulation,
    private readonly nodes: readonly [SimProcess, SimProcess],
  ) {
    this.random = new KeyedRandom(seed, 'pair')
    this.keys = 1 + this.random.below(80)
    this.firstMs = Math.floor(nodes[0].ports.clock.wallMs())
    this.lastMs = this.firstMs
  }

  async run(): Promise<void> {
    const { random, sim } = this
    await this.open()
    for (let round = 0; round < 6; round += 1) {
      await this.write(random.below(60))
      if (random.chance(0.7)) await sim.sleep(random.below(3_000))
      if (random.chance(0.7)) this.prove()
      for (const client of this.clients) await this.tidy(client)
      await this.compare()
      if (random.chance(0.15)) await this.reopen()
    }
    await this.close()
  }

  private async open(): Promise<void> {
    const options = this.nodes.map((_, i) => ({
      ...randomOptions(this.random, 'rising'),
      proof: i === 0 ? this.proof : NEVER_PROVEN,
    }))
    this.clients = await Promise.all(
      this.nodes.map((node, i) => openClient(node.ports, options[i])),
    )
  }

  private async close(): Promise<void> {
    await Promise.all(this.background)
    this.background = []
    for (const { store } of this.clients) {
      done.forgotten += store.stats().tombstonesForgotten
      done.merged += store.stats().compactions
      await store.close()
    }
  }

  private async reopen(): Promise<void> {
    await this.close()
    await this.open()
  }

  /** In one order here, in another one there. */
  private async write(count: number): Promise<void> {
    const cells = Array.from({ length: count }, () => this.cell())
    for (const cell of cells) this.model.write(cell)
    for (const client of this.clients) {
      const rest = this.random.chance(0.5) ? this.shuffled(cells) : [...cells]
      while (rest.length > 0) {
        const group = rest.splice(0, 1 + this.random.below(20))
        await Promise.all(writeGroup(client, group)!)
        if (this.random.chance(0.1)) this.background.push(client.store.flush())
        if (this.random.chance(0.05)) this.background.push(client.store.compact())
      }
    }
  }

  private cell(): Buffer {
    const { random } = this
    this.lastMs += random.below(20)
    this.made += 1
    const fields = {
      key: `key-${random.below(this.keys)}`,
      ms: this.lastMs,
      // No stamp is given twice.
      counter: this.made,
      clientStamp: random.chance(0.2),
    }
    if (random.chance(0.35)) return makeCell({ ...fields, tombstone: true })
    const value = random.bytes(random.below(100))
    if (random.chance(0.5)) return makeCell({ ...fields, value })
    const wallMs = Math.floor(this.nodes[0].ports.clock.wallMs())
    const expiryMs = wallMs + random.below(random.chance(0.8) ? 4_000 : 3 * EXPIRY_MARGIN_MS)
    return makeCell({ ...fields, value, expiryMs })
  }

  /** Both have all up to here. */
  private prove(): void {
    const { random, proof } = this
    for (const partition of ALL) {
      if (random.chance(0.7)) proof.provenMs[partition] = this.lastMs - random.below(2) * 5
    }
    this.clients[0]!.store.proofsMoved()
  }

  private async tidy({ store }: TestClient): Promise<void> {
    if (this.random.chance(0.4)) await store.flush()
    if (this.random.chance(0.4)) await store.compact()
  }

  private async compare(): Promise<void> {
    const { random, clients, proof, model } = this
    const partitions = random.chance(0.7) ? ALL : ALL.filter(() => random.chance(0.5))
    const cutoffMs = random.chance(0.6)
      ? this.lastMs
      : this.firstMs + random.below(this.lastMs - this.firstMs + 1)
    const more = random.chance(0.5) ? 0 : random.below(50)
    const provenMs = partitions.map((partition) => proof.provenMs[partition]! + more)
    const asked = { partitions, cutoffMs, provenMs }
    const found = clients.map(({ store }) => store.digest(asked))
    const right = digestsOf(model.cells.values(), asked)
    for (const digests of await Promise.all(found))
      expect(leavesOf(digests)).toEqual(leavesOf(right))
  }

  private shuffled(cells: readonly Buffer[]): Buffer[] {
    const shuffled = [...cells]
    for (let i = shuffled.length - 1; i > 0; i -= 1) {
      const j = this.random.below(i + 1)
      ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
    }
    return shuffled
  }
}

describe('digest: forgetting', () => {
  for (let part = 0; part < PARTS; part += 1) {
    testSeeds(
      `digest: one of two stores forgets and reclaims: equal digests, part ${part + 1} of ${PARTS}`,
      SEEDS,
      async (number) => {
        const seed = number * PARTS + part
        const { sim, node } = simulate(seed)
        await sim.run(() => new Pair(seed, sim, [node, sim.process('other')]).run())
      },
    )
  }

  test('digest: what the stores have done meanwhile: enough to tell', () => {
    if (process.env.CASSIO_SEED !== undefined) return
    expect(done.forgotten).toBeGreaterThan(SEEDS * PARTS * 3)
    expect(done.merged).toBeGreaterThan(SEEDS * PARTS * 3)
  })
})
