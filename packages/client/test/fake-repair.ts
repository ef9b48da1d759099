import {
  CassioError,
  MessageType,
  type RepairParams,
  type RepairProgress,
} from '@cassiopeia/protocol'
import type { FakeNode, FakeRequest } from './fake-node'

/** `repair` of a fake node: a run goes on by some partitions each time that it is asked how far it is. */
export class FakeRepair {
  readonly asked: RepairParams[] = []
  progress: RepairProgress = {
    running: false,
    total: 0,
    done: 0,
    verified: 0,
    differed: 0,
    cells: 0,
    bytes: 0,
    failures: [],
  }
  /** Partitions that each question finds to be done. */
  step = 100
  /** What the partitions done last are like. */
  each: Partial<Pick<RepairProgress, 'differed' | 'cells' | 'bytes'>> = {}
  /** Partitions that cannot be verified, whatever one does. */
  blocked: RepairProgress['failures'] = []
  /** Answers instead of the node, by returning true. */
  script: (params: RepairParams, request: FakeRequest) => boolean = () => false

  constructor(
    node: FakeNode,
    private readonly leads: readonly number[],
  ) {
    node.script = (request) => {
      if (request.type !== MessageType.CALL || request.call.method !== 'repair') return false
      const params = request.call.params as RepairParams
      this.asked.push(params)
      if (!this.script(params, request)) request.result(this.serve(params))
      return true
    }
  }

  get actions(): string[] {
    return this.asked.map(({ action }) => action)
  }

  private serve({ action, partitions }: RepairParams): RepairProgress {
    const { progress } = this
    if (action === 'start' && !progress.running) {
      const total = this.leads.filter((each) => partitions?.includes(each) ?? true).length
      const zero = { done: 0, verified: 0, differed: 0, cells: 0, bytes: 0, failures: [] }
      this.progress = { ...zero, total, running: total > 0 }
    } else if (action === 'stop') {
      this.progress = { ...progress, running: false, done: progress.total }
    } else if (action === 'progress' && progress.running) {
      this.proceed()
    }
    return this.progress
  }

  private proceed(): void {
    const { total, differed, cells, bytes } = this.progress
    const done = Math.min(total, this.progress.done + this.step)
    const blocked = this.blocked.reduce((sum, { partitions }) => sum + partitions, 0)
    this.progress = {
      running: done < total,
      total,
      done,
      verified: Math.max(0, done - blocked),
      differed: differed + (this.each.differed ?? 0),
      cells: cells + (this.each.cells ?? 0),
      bytes: bytes + (this.each.bytes ?? 0),
      failures: done < total ? [] : this.blocked,
    }
  }
}

/** What a node says that is too old to know of repairs. */
export function unknownMethod(_: RepairParams, request: FakeRequest): boolean {
  request.fault(new CassioError('CASSIO_INVALID', 'there is no method "repair"'))
  return true
}
