import { type CassioError, ReplicaOutcome } from '@cassiopeia/protocol'

/** What a replica answers when its store has not taken a write. */
export function writeRefusal(error: CassioError): ReplicaOutcome {
  if (error.applied === 'unknown') return ReplicaOutcome.storage
  switch (error.code) {
    case 'CASSIO_OVERLOADED':
      return ReplicaOutcome.overloaded
    case 'CASSIO_DISK_FULL':
      return ReplicaOutcome.diskFull
    default:
      return ReplicaOutcome.storage
  }
}

/** What it answers when its store cannot say what a key's newest cell is. */
export function readRefusal(error: CassioError): ReplicaOutcome {
  return error.code === 'CASSIO_CORRUPT' ? ReplicaOutcome.damaged : ReplicaOutcome.storage
}
