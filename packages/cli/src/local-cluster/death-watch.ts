import { ExitCode } from '../exit-codes'
import { renderDeath } from './launcher'
import type { ClusterPlan } from './node-arguments'
import type { NodeProcess } from './node-process'

/** Tells of nodes that end while nobody asked them to. */
export class DeathWatch {
  private isOver = false
  private readonly allEnded: Promise<number>

  constructor(plan: ClusterPlan, processes: readonly NodeProcess[], tell: (line: string) => void) {
    const ends = processes.map(async (each) => {
      const exit = await each.exited
      const wasStopped = exit.code === 0
      if (this.isOver) return wasStopped
      if (wasStopped) tell(`node ${each.address} was stopped`)
      else {
        tell(renderDeath(plan.directory, each, exit))
        tell(`start it again with: cassio cluster start --detach --data ${plan.directory}`)
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
