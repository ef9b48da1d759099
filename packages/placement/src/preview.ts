import { type Balance, balance, minimumMovement, movement } from './balance'
import type { PlacementMember, PlacementOptions } from './member'
import { nextPlacement } from './placement'
import type { PlacementTable } from './placement-table'

/** What one change of membership would do. */
export interface MembershipPreview extends Balance {
  readonly memberCount: number
  /** Replicas of a partition that the change moves, and the least that it must. */
  readonly moved: number
  readonly movedMinimum: number
  /** The table after the change. */
  readonly table: PlacementTable
}

/**
 * Plays changes of membership one after another, so that an operator can see
 * the balance and the data moved before a node joins or leaves.
 *
 * @param table The table to begin with; `undefined` before a cluster is founded.
 * @param changes The members after each change.
 */
export function* previewMembership(
  table: PlacementTable | undefined,
  changes: Iterable<readonly PlacementMember[]>,
  options: PlacementOptions,
): Generator<MembershipPreview> {
  let before = table
  for (const members of changes) {
    const after = nextPlacement(before, members, options)
    yield {
      memberCount: members.length,
      ...balance(after, members),
      moved: movement(before, after),
      movedMinimum: minimumMovement(before, members, options),
      table: after,
    }
    before = after
  }
}
