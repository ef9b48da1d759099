import type { WorkerContext } from '@cassiopeia/env'
import { tableName } from '../table/table-info'
import { verifyTable } from '../table/verify'
import type { TableDamage, VerifyJob, VerifyResult } from './job'
import { JobPace } from './job-pace'
import { MeteredDisk } from './metered-disk'

/** Reads tables from end to end. @throws the disk's own errors; code 'ECANCELED'. */
export async function runVerifyJob(job: VerifyJob, context: WorkerContext): Promise<VerifyResult> {
  const disk = new MeteredDisk(context.disk)
  const pace = new JobPace(context, disk, job.bytesPerSecondMax)
  const damages: TableDamage[] = []
  for (const { info } of job.tables) {
    const path = `${job.directory}/${tableName(info.number)}`
    damages.push(...(await verifyTable(disk, path, info, () => pace.pause())))
  }
  return { bytes: disk.bytesRead, damages }
}
