import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { KeyedRandom, nodePorts, type SimProcess, type Simulation } from '@cassiopeia/env'
import { digestsOf, leavesOf, request } from './digest/digest-support'
import {
  askModel,
  askStore,
  CellMaker,
  cellsOf,
  expectAnswer,
  type Operation,
  randomOperation,
  randomOptions,
  randomStamps,
  type Stamps,
  Viewer,
  writeGroup,
} from './lockstep-support'
import {
  Model,
  openClient,
  simulate,
  type TestClient,
  type TestOptions,
  testSeeds,
} from './support'

/** Seeds of each test; more on the command line, for hunting. */
const MORE = Number(process.env.CASSIO_SEEDS_FACTOR ?? 1)

/** A store under test: its options change whenever it is opened again. */
interface Place {
  readonly open: (options: TestOptions) => Promise<TestClient>
  readonly directory: string
  readonly wallMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

class StoreUnderTest {
  private client!: TestClient
  private options!: TestOptions
  private snapshots = 0
  /** Flushes and compactions that nobody waits for. */
  private background: Promise<void>[] = []

  constructor(
    private readonly place: Place,
    private readonly random: KeyedRandom,
    private readonly stamps: Stamps,
  ) {}

  async open(): Promise<void> {
    this.options = { ...randomOptions(this.random, this.stamps), directory: this.place.directory }
    this.client = await this.place.open(this.options)
  }

  async close(): Promise<void> {
    await Promise.all(this.background)
    this.background = []
    await this.client.store.close()
  }

  /** Performs an operation and compares with the model, which has not seen it yet. */
  async perform(operation: Operation, model: Model): Promise<void> {
    const { store } = this.client
    switch (operation.type) {
      case 'flush':
      case 'compact': {
        const done = operation.type === 'flush' ? store.flush() : store.compact()
        if (operation.waits) await done
        else this.background.push(done)
        return
      }
      case 'sleep':
        return this.place.sleep(operation.ms)
      case 'snapshot':
        return this.compareSnapshot(model)
      case 'digest':
        return this.compareDigests(model)
      case 'verify':
        expect((await store.verify()).damages).toEqual([])
        return
      case 'reopen':
        await this.close()
        await this.open()
        expect(this.client.store.stats().recovered.tornBytes).toBe(0)
        return this.compareAll(model)
      default: {
        const actual = await askStore(this.client, operation)
        const viewer = new Viewer(this.stamps, this.place.wallMs)
        expectAnswer(operation, actual, askModel(model.copy(), operation), viewer)
      }
    }
  }

  async compareAll(model: Model, client = this.client): Promise<void> {
    const cells = await client.all()
    const viewer = new Viewer(this.stamps, this.place.wallMs)
    expect(viewer.views(cells)).toEqual(viewer.views(cellsOf(model)))
  }

  private async compareDigests(model: Model): Promise<void> {
    const cutoffMs = Math.floor(this.place.wallMs())
    // Where tombstones are forgotten, all of them are proven.
    const asked = request(cutoffMs, this.stamps === 'ties' ? 0 : cutoffMs)
    const digests = await this.client.store.digest(asked)
    expect(leavesOf(digests)).toEqual(leavesOf(digestsOf(model.cells.values(), asked)))
  }

  private async compareSnapshot(model: Model): Promise<void> {
    this.snapshots += 1
    const directory = `${this.place.directory}-snapshot-${this.snapshots}`
    await this.client.store.snapshot(directory)
    const copy = await this.place.open({ ...this.options, directory })
    await this.compareAll(model, copy)
    await copy.store.close()
  }
}

/** Random operations, each compared with the model at once, on stores that must all answer alike. */
async function lockstep(
  random: KeyedRandom,
  steps: number,
  places: readonly Place[],
): Promise<void> {
  const stamps = randomStamps(random)
  const stores = places.map((place) => new StoreUnderTest(place, random, stamps))
  const { wallMs } = places[0]!
  const maker = new CellMaker(random, 1 + random.below(120), stamps, wallMs)
  const model = new Model()
  for (const store of stores) await store.open()
  for (let step = 0; step < steps; step += 1) {
    const operation = randomOperation(random, maker)
    for (const store of stores) {
      try {
        await store.perform(operation, model)
      } catch (error) {
        throw new Error(`step ${step}, ${operation.type}: ${(error as Error).stack}`)
      }
    }
    if (operation.type === 'write') for (const cell of operation.cells) model.write(cell)
  }
  for (const store of stores) {
    await store.compareAll(model)
    await store.close()
  }
}

function simulatedPlace(sim: Simulation, node: SimProcess): Place {
  return {
    open: (options) => openClient(node.ports, options),
    directory: '/data',
    wallMs: () => node.ports.clock.wallMs(),
    sleep: (ms) => sim.sleep(ms),
  }
}

describe('store: lockstep', () => {
  testSeeds(
    'store: random operations on a simulated disk: as the model (300 steps)',
    25 * MORE,
    async (seed) => {
      const { sim, node } = simulate(seed)
      await sim.run(() =>
        lockstep(new KeyedRandom(seed, 'lockstep'), 300, [simulatedPlace(sim, node)]),
      )
    },
  )

  testSeeds(
    'store: the same operations under two sets of options: the same answers (200 steps)',
    8 * MORE,
    async (seed) => {
      const { sim, node } = simulate(seed)
      const places = [node, sim.process('other')].map((each) => simulatedPlace(sim, each))
      await sim.run(() => lockstep(new KeyedRandom(seed, 'metamorphic'), 200, places))
    },
  )

  testSeeds(
    'store: random operations on a real disk: as the model (200 steps)',
    2 * MORE,
    async (seed) => {
      const parent = mkdtempSync(`${tmpdir()}/cassio-store-`)
      const ports = nodePorts()
      try {
        await lockstep(new KeyedRandom(seed, 'lockstep'), 200, [
          {
            open: (options) => openClient(ports, options),
            directory: `${parent}/data`,
            wallMs: () => ports.clock.wallMs(),
            sleep: (ms) => new Promise((resolve) => ports.timers.after(ms, resolve)),
          },
        ])
      } finally {
        rmSync(parent, { recursive: true })
      }
    },
  )

  testSeeds(
    'store: crashes at any moment: a prefix survives, with all that was acknowledged',
    25 * MORE,
    (seed) => new CrashRun(seed).run(),
  )
})

/** The writes of one turn, which survive all together or not at all. */
interface Turn {
  readonly cells: readonly Buffer[]
  acknowledged: boolean
  /** A flush that began once it was acknowledged has ended. */
  flushed: boolean
}

/** One store that is crashed again and again in the middle of its work. */
class CrashRun {
  private readonly sim: Simulation
  private readonly node: SimProcess
  private readonly random: KeyedRandom
  private readonly stamps: Stamps
  private readonly maker: CellMaker
  /** What is known to have survived, and the turns since. */
  private readonly model = new Model()
  private turns: Turn[] = []
  private options: TestOptions = {}
  private snapshots = 0

  constructor(seed: number) {
    const { sim, node } = simulate(seed)
    this.sim = sim
    this.node = node
    this.random = new KeyedRandom(seed, 'crashes')
    this.stamps = randomStamps(this.random)
    const wallMs = () => this.node.ports.clock.wallMs()
    this.maker = new CellMaker(this.random, 1 + this.random.below(60), this.stamps, wallMs)
  }

  async run(): Promise<void> {
    const { sim, node, random } = this
    for (let round = 0; round < 12; round += 1) {
      const options = randomOptions(random, this.stamps)
      const opening = openClient(node.ports, options)
      if (random.chance(0.2)) {
        // In the middle of recovery.
        await sim.advance(random.between(0, 5))
      } else {
        const client = await sim.run(opening)
        await sim.run(this.comparePrefix(client))
        this.options = options
        for (let turn = random.below(40); turn >= 0; turn -= 1) {
          this.act(client)
          await sim.advance(random.chance(0.1) ? random.between(0, 100) : random.between(0, 2))
        }
      }
      this.crash()
    }
    await sim.run(async () => this.comparePrefix(await openClient(node.ports, this.options)))
  }

  /** Begins something and waits for nothing. */
  private act(client: TestClient): void {
    const draw = this.random.below(100)
    if (draw < 75) this.write(client)
    else if (draw < 85) this.flush(client)
    else if (draw < 90) void client.store.compact()
    else if (draw < 95) void client.scan(this.random.below(4))
    else {
      this.snapshots += 1
      void client.store.snapshot(`/snapshot-${this.snapshots}`)
    }
  }

  private write(client: TestClient): void {
    const turn: Turn = { cells: this.maker.cells(8), acknowledged: false, flushed: false }
    const written = writeGroup(client, turn.cells)
    // More than may be under way: none of them was taken.
    if (written === undefined) return
    this.turns.push(turn)
    void Promise.all(written).then(() => {
      turn.acknowledged = true
    })
  }

  private flush(client: TestClient): void {
    const acknowledged = this.turns.filter((turn) => turn.acknowledged)
    void client.store.flush().then(() => {
      for (const turn of acknowledged) turn.flushed = true
    })
  }

  private crash(): void {
    const { node, options, turns } = this
    if (this.random.chance(0.5)) node.kill()
    else {
      node.powerCut()
      // What was acknowledged before it was synced may be lost.
      if (options.sync !== 'group') for (const turn of turns) turn.acknowledged &&= turn.flushed
    }
    node.restart()
  }

  /** The store holds the model and the first of the turns, at least those that were acknowledged. */
  private async comparePrefix(client: TestClient): Promise<void> {
    const { model, turns } = this
    const cells = await client.all()
    const viewer = new Viewer(this.stamps, () => this.node.ports.clock.wallMs())
    const actual = viewer.views(cells)
    const required = turns.findLastIndex(({ acknowledged }) => acknowledged) + 1
    for (const [index, { cells: turn }] of turns.entries()) {
      if (index >= required && isSame(actual, viewer.views(cellsOf(model)))) break
      for (const cell of turn) model.write(cell)
    }
    expect(actual).toEqual(viewer.views(cellsOf(model)))
    this.turns = []
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((view, index) => view === b[index])
}
