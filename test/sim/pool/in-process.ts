import type { Outcome } from './process-pool'
import { perform, type Task } from './tasks'

/** Performs tasks in this very process, one after the other: for profilers and debuggers. */
export class InProcess {
  private killed = false

  constructor(
    private readonly options: {
      readonly next: () => Task | undefined
      readonly onOutcome: (task: Task, outcome: Outcome<unknown>) => void
    },
  ) {}

  async run(): Promise<void> {
    while (!this.killed) {
      const task = this.options.next()
      if (task === undefined) return
      this.options.onOutcome(task, await outcomeOf(task))
    }
  }

  kill(): void {
    this.killed = true
  }
}

async function outcomeOf(task: Task): Promise<Outcome<unknown>> {
  try {
    return { result: await perform(task) }
  } catch (error) {
    return { error: String((error as Error).stack) }
  }
}
