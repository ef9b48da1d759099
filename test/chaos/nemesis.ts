import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { History } from '../sim/history'
import type { ChaosCluster } from './chaos-cluster'
import { rotTables } from './disks'
import { type ChaosFault, type ChaosKind, nodeName, SIMULATED_KINDS } from './faults'
import type { ChaosPlan } from './plan'

/** Lays the plan's faults on a cluster when their time has come, and takes them off again. */
export class Nemesis {
  readonly counts = new Map<ChaosKind, number>()
  private readonly aborter = new AbortController()
  private readonly running = new Set<Promise<void>>()

  constructor(
    private readonly plan: ChaosPlan,
    private readonly cluster: ChaosCluster,
    private readonly history: History,
    private readonly nowMs: () => number,
    private readonly onError: (error: Error) => void,
  ) {
    // Each fault waits with it.
    setMaxListeners(0, this.aborter.signal)
  }

  /** Resolves when all faults are over, or `end` was called. */
  async run(): Promise<void> {
    const startMs = this.nowMs()
    for (const fault of this.plan.faults) {
      await this.wait(startMs + fault.atMs - this.nowMs())
      if (this.aborter.signal.aborted) break
      const done = this.perform(fault)
        .catch(this.onError)
        .finally(() => this.running.delete(done))
      this.running.add(done)
    }
    await Promise.all(this.running)
  }

  /** Takes everything off that is laid now, and lays nothing more. */
  end(): void {
    this.aborter.abort()
  }

  private async perform(fault: ChaosFault): Promise<void> {
    const { links, lives } = this.cluster
    const { action, forMs, kind } = fault
    switch (action.type) {
      case 'kill':
      case 'stop':
        this.tell(kind, `${kind} ${nodeName(action.node)}, back in ${forMs} ms`)
        await Promise.all([lives.end(action.node, action.type), this.wait(forMs)])
        lives.comeBack(action.node)
        return
      case 'killAgain':
        this.tell(kind, `kill ${nodeName(action.node)}, again ${action.afterMs} ms after start`)
        await lives.end(action.node, 'kill')
        lives.comeBack(action.node)
        await this.wait(action.afterMs)
        await Promise.all([lives.end(action.node, 'kill'), this.wait(forMs)])
        lives.comeBack(action.node)
        return
      case 'killAll':
        this.tell(kind, `kill all, back in ${action.downMs.join(', ')} ms`)
        await Promise.all(
          action.downMs.map(async (ms, node) => {
            await Promise.all([lives.end(node, 'kill'), this.wait(ms)])
            lives.comeBack(node)
          }),
        )
        return
      case 'pause':
        this.tell(kind, `pause ${nodeName(action.node)} for ${forMs} ms`)
        lives.pause(action.node)
        await this.wait(forMs)
        lives.goOn(action.node)
        return
      case 'links': {
        const where = action.where.map((direction) => direction.join('>')).join(' ')
        this.tell(kind, `${kind} for ${forMs} ms ${JSON.stringify(action.effect)} on ${where}`)
        const lift = links.lay(action.where, action.effect)
        await this.wait(forMs)
        lift()
        return
      }
      case 'reset':
        this.tell(kind, `reset ${links.reset(action.party)} directions at ${action.party}`)
        return
      case 'flip':
        this.tell(kind, `flip ${action.draws.length} bits from ${action.where.join(' to ')}`)
        for (const draw of action.draws) links.flipNext(action.where, draw)
        return
      case 'diskFull':
        return this.fillDisk(fault, action.roomBytes)
      case 'rot':
        return this.rot(fault, action.node, action.draws)
    }
  }

  /** Whichever node was drawn: only one has a disk that can be filled. */
  private async fillDisk({ kind, forMs }: ChaosFault, roomBytes: number): Promise<void> {
    const { lives, smallDisk } = this.cluster
    const { smallDiskNode } = this.plan
    if (smallDisk === undefined) return
    this.tell(kind, `disk of ${nodeName(smallDiskNode)} full but ${roomBytes} B for ${forMs} ms`)
    lives.setDiskFull(smallDiskNode, true)
    await smallDisk.fill(roomBytes)
    // Another such fault may have ended meanwhile.
    lives.setDiskFull(smallDiskNode, true)
    await this.wait(forMs)
    await smallDisk.free()
    lives.setDiskFull(smallDiskNode, false)
  }

  private async rot(
    { kind, forMs }: ChaosFault,
    node: number,
    draws: readonly number[],
  ): Promise<void> {
    const { lives } = this.cluster
    await lives.end(node, 'kill')
    const done = lives.nodes[node]!.isRunning
      ? []
      : rotTables(this.cluster.dataDirectory(node), draws)
    if (done.length > 0) {
      lives.damaged = node
      this.tell(kind, `damage on ${nodeName(node)}: ${done.join(', ')}`)
    }
    await this.wait(forMs)
    lives.comeBack(node)
  }

  private async wait(ms: number): Promise<void> {
    const { signal } = this.aborter
    if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {})
  }

  private tell(kind: ChaosKind, what: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    this.history.faults.push({ atMs: this.nowMs(), kind: SIMULATED_KINDS[kind], what })
  }
}
