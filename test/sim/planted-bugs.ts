/**
 * All bugs that the rig must find, see `planted/planted-bug.ts`: `writes`, `reads` and `clocks` are of
 * the way from the client to the replicas, `storage` of what a node keeps, `convergence` of hints, repair and purge. A new one is an entry in one
 * of these lists; `npm run simulate:sensitivity -- --name '…'` says how soon it is found.
 */
import { CLOCK_BUGS } from './planted/clocks'
import { CONVERGENCE_BUGS } from './planted/convergence'
import type { PlantedBug } from './planted/planted-bug'
import { READ_BUGS } from './planted/reads'
import { STORAGE_BUGS } from './planted/storage'
import { WRITE_BUGS } from './planted/writes'

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...WRITE_BUGS,
  ...READ_BUGS,
  ...CLOCK_BUGS,
  ...STORAGE_BUGS,
  ...CONVERGENCE_BUGS,
]
