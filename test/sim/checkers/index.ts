/**
 * What must hold of every history. `values` judges single answers, `order` reads against the writes
 * and reads before them, `stamps` the writes among themselves, `progress` that calls end and succeed
 * when they must. Each is a function of the history alone.
 */
import type { History, OperationRecord } from '../history'
import { checkOrder } from './order'
import { checkProgress } from './progress'
import { checkStamps } from './stamps'
import { checkValues } from './values'

export interface Violation {
  readonly rule: string
  readonly message: string
  readonly key?: string
  /** The calls that show it. */
  readonly witnesses: readonly OperationRecord[]
}

export function check(history: History): Violation[] {
  const incidents = history.incidents.map((incident) => ({ ...incident, witnesses: [] }))
  const checkers = [checkValues, checkOrder, checkStamps, checkProgress]
  return [...incidents, ...checkers.flatMap((checker) => checker(history))]
}
