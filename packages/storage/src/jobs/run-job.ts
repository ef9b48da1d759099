/**
 * What the store's workers run: `runStoreJob`, which hands a job to its own file. `JobOutput` keeps
 * account of the tables that a job writes, `JobPace` keeps it a good neighbour, `MeteredDisk` counts
 * its bytes. `DamageCursor` lets a job go on past damage, and `DamageReach` says what that may hide.
 */
import type { WorkerContext, WorkerMain } from '@cassiopeia/env'
import { runForgetJob } from '../delete-log/forget-job'
import { revivePlace, reviveTableInfo } from '../table/table-info'
import { runDigestJob } from './digest-job'
import { runFlushJob } from './flush-job'
import type { StoreJob, TableRef } from './job'
import { runMergeJob } from './merge-job'
import { runVerifyJob } from './verify-job'

/** Does a `StoreJob`. Errors are those of the job's kind. */
export const runStoreJob: WorkerMain = (job: unknown, context: WorkerContext): Promise<unknown> => {
  const given = job as StoreJob
  switch (given.type) {
    case 'flush':
      return runFlushJob(given, context)
    case 'merge': {
      const inputs = reviveRefs(given.inputs)
      return runMergeJob({ ...given, inputs, covers: reviveRefs(given.covers) }, context)
    }
    case 'forget': {
      const inputs = reviveRefs(given.inputs)
      return runForgetJob({ ...given, inputs, data: reviveRefs(given.data) }, context)
    }
    case 'verify':
      return runVerifyJob({ ...given, tables: reviveRefs(given.tables) }, context)
    case 'digest':
      return runDigestJob({ ...given, tables: reviveRefs(given.tables) }, context)
  }
}

/** A structured clone turned the Buffers into Uint8Arrays. */
function reviveRefs(refs: readonly TableRef[]): TableRef[] {
  return refs.map(({ info, after }) => ({
    info: reviveTableInfo(info),
    after: after === undefined ? undefined : revivePlace(after),
  }))
}
