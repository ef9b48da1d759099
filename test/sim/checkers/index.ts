/**
 * What must hold of every history. `values` judges single answers, `order` reads against the writes and
 * reads before them, `session` the same for one client alone, `deletes` that what was deleted stays so,
 * `expiry` values that expire, `stamps` the writes among themselves, `progress` that calls end and
 * succeed when they must, `final` what replicas hold at the end, `bounds` what nodes hold on the way.
 * Each is a function of the history alone; `promises` says which level promises what.
 */
import type { History, OperationRecord } from '../history'
import { checkBounds } from './bounds'
import { checkDeletes } from './deletes'
import { checkExpiry } from './expiry'
import { checkFinal } from './final'
import { checkOrder } from './order'
import { checkProgress } from './progress'
import { checkSession } from './session'
import { checkStamps } from './stamps'
import { checkValues } from './values'

export interface Violation {
  readonly rule: string
  readonly message: string
  readonly key?: string
  /** The calls that show it. */
  readonly witnesses: readonly OperationRecord[]
}

const CHECKERS = [
  checkValues,
  checkOrder,
  checkSession,
  checkDeletes,
  checkExpiry,
  checkStamps,
  checkProgress,
  checkFinal,
  checkBounds,
]

export function check(history: History): Violation[] {
  const incidents = history.incidents.map((incident) => ({ ...incident, witnesses: [] }))
  return [...incidents, ...CHECKERS.flatMap((checker) => checker(history))]
}
