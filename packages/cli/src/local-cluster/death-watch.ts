import { ExitCode } from '../exit-codes'
import type { Notices } from '../shell/notices'
import { renderDeath } from './launcher'
import type { ClusterPlan } from './node-arguments'
import type { NodeProcess } from './node-process'

/** Tells of nodes that end while nobody asked them to. */
export class DeathWatch {
  private isOver = false
  private readonly allEnded: Promise<number>

  constructor(plan: ClusterPlan, processes: readonly NodeProcess[], notices: Notices) {
    const ends = processes.map(async (each) => {
      const exit = await each.exited
      const wasStopped = exit.code === 0
      if (this.isOver) return wasStopped
      if (wasStopped) {
        notices.tell(`node ${each.address} was stopped`)
      } else {
        const again = `start it again with: cassio cluster start --detach --data ${plan.directory}`
        notices.tell(`${renderDeath(plan.directory, each, exit)}\n${again}`)
      }
      return wasStopped
    })
    this.allEnded = Promise.all(ends).then((stopped) => {
      return stopped.every(Boolean) ? ExitCode.ok : ExitCode.error
    })
  }

  /** Resolves with the exit code when `signal` says stop, or no node is left. */
  untilOver(signal: AbortSignal): Promise<number> {
    const aborted = new Promise<number>((resolve) => {
      if (signal.aborted) resolve(ExitCode.ok)
      signal.addEventListener('abort', () => resolve(ExitCode.ok), { once: true })
    })
    return Promise.race([aborted, this.allEnded])
  }

  /** From now on nodes end because they are asked to. */
  end(): void {
    this.isOver = true
  }
}
