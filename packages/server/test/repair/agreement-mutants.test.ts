import { WriteMode } from '@cassiopeia/protocol'
import { Fences, Passage } from '../../src/repair/fences'
import { LocalRepairPeer } from '../../src/repair/local-repair-peer'
import { RepairSession } from '../../src/repair/repair-session'
import { RepairState } from '../../src/repair/repair-state'
import { AgreementWorld } from './agreement-world'
import { ModelStore } from './model-store'

/** Seeds within which each of these must be found. */
const SEEDS_MAX = 150

type Methods = Record<string, (...args: never[]) => unknown>

/** Lets cells of one kind pass every fence. */
function ignoring(ignored: WriteMode) {
  return (passageOf: Fences['passageOf']) =>
    function (this: Fences, ...[partition, mode, stamps, at]: Parameters<Fences['passageOf']>) {
      if (mode === ignored) return Passage.free
      return passageOf.call(this, partition, mode, stamps, at)
    }
}

/** Bugs in the agreement, each of which lets something come back or get lost. */
const MUTANTS: readonly (readonly [string, object, string, (original: never) => unknown])[] = [
  [
    'what was copied is proven without comparing it again',
    RepairSession.prototype,
    'copyAll',
    (copyAll: (differing: Map<unknown, unknown>) => Promise<unknown[]>) =>
      async function (this: Methods, differing: Map<unknown, unknown>) {
        const works = await copyAll.call(this, differing)
        await this.agree!(works as never)
        return []
      },
  ],
  ['writes pass the fence', Fences.prototype, 'passageOf', ignoring(WriteMode.write)],
  ['hints pass the fence', Fences.prototype, 'passageOf', ignoring(WriteMode.hint)],
  [
    'repairs as old as what is proven are taken',
    Fences.prototype,
    'passageOf',
    ignoring(WriteMode.repair),
  ],
  ['fences are not kept', RepairState.prototype, 'save', () => () => Promise.resolve()],
  [
    'a replica that was started anew is taken for prepared',
    LocalRepairPeer.prototype,
    'prepare',
    () => () => Promise.resolve({ prepared: true }),
  ],
  [
    'digests leave out what was taken and is not visible yet',
    ModelStore.prototype,
    'sync',
    () => () => Promise.resolve(),
  ],
  [
    'a replica that does not answer is passed over',
    RepairSession.prototype,
    'block',
    () => () => undefined,
  ],
]

test.each(MUTANTS)('%s: found', async (_name, on, method, make) => {
  const methods = on as Methods
  const original = methods[method]!
  methods[method] = make(original as never) as (...args: never[]) => unknown
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      const world = new AgreementWorld(seed)
      try {
        await world.run()
      } catch {
        // A session that has lost its way is as good as found.
        return
      }
      if (world.violations.length > 0) return
    }
    throw new Error(`not found in ${SEEDS_MAX} seeds`)
  } finally {
    methods[method] = original
  }
})
