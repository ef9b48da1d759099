import type { WorkerEntry } from '@cassiopeia/env'
import { runStoreJob } from './jobs/run-job'

export { runStoreJob }

/** What the store's workers run. */
export const storageEntry: WorkerEntry = Object.freeze({
  run: runStoreJob,
  module: __filename,
  name: 'runStoreJob',
})
