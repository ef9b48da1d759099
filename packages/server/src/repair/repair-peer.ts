import type {
  RepairApplied,
  RepairApply,
  RepairBegin,
  RepairBegun,
  RepairCells,
  RepairCommit,
  RepairDigested,
  RepairDigests,
  RepairFetch,
  RepairLeaves,
  RepairList,
  RepairListed,
  RepairMark,
  RepairPrepare,
  RepairPrepared,
} from '@cassiopeia/protocol'

/** One replica in a comparison, this node or another. Calls that fail throw CassioError. */
export interface RepairPeer {
  begin(call: RepairBegin): Promise<RepairBegun>
  digests(call: RepairDigests): Promise<RepairDigested>
  leaves(call: RepairLeaves): Promise<Buffer>
  list(call: RepairList): Promise<RepairListed>
  fetch(call: RepairFetch): Promise<RepairCells>
  apply(call: RepairApply): Promise<RepairApplied>
  prepare(call: RepairPrepare): Promise<RepairPrepared>
  commit(call: RepairCommit): Promise<void>
  mark(call: RepairMark): Promise<void>
}
