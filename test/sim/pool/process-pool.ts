import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'

/** What became of a task. `died`: its process ended, or had to be ended, and why. */
export type Outcome<Result> =
  | { readonly result: Result }
  | { readonly error: string }
  | { readonly died: string }

export interface PoolOptions<Task, Result> {
  /** What a process runs. Default `child.js`, which performs the tasks of `tasks.ts`. */
  readonly script?: string
  /** Processes side by side. */
  readonly jobs: number
  /** After so many tasks a process is replaced, so that nothing piles up in it. */
  readonly tasksPerProcess: number
  /** The next task; undefined when there is none now. Asked again after each outcome. */
  readonly next: () => Task | undefined
  /** May make further tasks. */
  readonly onOutcome: (task: Task, outcome: Outcome<Result>) => void
  /** Wall time after which a task's process is taken to hang, and ended. */
  readonly limitMs: (task: Task) => number
}

interface Slot<Task> {
  child: ChildProcess | undefined
  task: Task | undefined
  tasks: number
  errors: string
  timer: NodeJS.Timeout | undefined
}

/** Of what a process has said on stderr, kept for when it dies. */
const ERRORS_MAX = 4_000

/** Performs tasks in processes of their own (`child.js`), one at a time in each. */
export class ProcessPool<Task extends object, Result> {
  private readonly slots: Slot<Task>[]
  private finish: () => void = () => {}

  constructor(private readonly options: PoolOptions<Task, Result>) {
    this.slots = Array.from({ length: options.jobs }, () => ({
      child: undefined,
      task: undefined,
      tasks: 0,
      errors: '',
      timer: undefined,
    }))
  }

  /** Resolves when there is no further task and none is under way. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.finish = resolve
      this.pump()
    })
  }

  /** Ends the processes at once; tasks under way have no outcome. */
  kill(): void {
    for (const slot of this.slots) {
      slot.task = undefined
      this.release(slot, 'SIGKILL')
    }
    this.finish()
  }

  private pump(): void {
    for (const slot of this.slots) {
      if (slot.task !== undefined) continue
      const task = this.options.next()
      if (task === undefined) break
      this.begin(slot, task)
    }
    if (this.slots.some(({ task }) => task !== undefined)) return
    for (const slot of this.slots) this.release(slot)
    this.finish()
  }

  private begin(slot: Slot<Task>, task: Task): void {
    if (slot.tasks >= this.options.tasksPerProcess) this.release(slot)
    slot.child ??= this.start(slot)
    slot.task = task
    slot.tasks += 1
    const { child } = slot
    const limitMs = this.options.limitMs(task)
    slot.timer = setTimeout(() => {
      slot.errors += `\nnothing was heard of it for ${Math.round(limitMs / 1_000)} s`
      child.kill('SIGKILL')
    }, limitMs)
    child.send(task)
  }

  private start(slot: Slot<Task>): ChildProcess {
    const { script = join(__dirname, 'child.js') } = this.options
    const child = fork(script, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    slot.tasks = 0
    slot.errors = ''
    child.stderr!.on('data', (bytes: Buffer) => {
      slot.errors = (slot.errors + bytes.toString()).slice(-ERRORS_MAX)
    })
    child.on('message', (outcome) => {
      if (slot.child === child) this.end(slot, outcome as Outcome<Result>)
    })
    // Not 'exit': what it said last may still be on its way.
    child.on('close', (code, signal) => {
      if (slot.child !== child) return
      slot.child = undefined
      if (slot.task === undefined) return
      const how = signal === null ? `exit code ${code}` : signal
      this.end(slot, { died: `its process ended with ${how}\n${slot.errors}`.trim() })
    })
    return child
  }

  private end(slot: Slot<Task>, outcome: Outcome<Result>): void {
    const { task } = slot
    if (task === undefined) return
    clearTimeout(slot.timer)
    slot.task = undefined
    this.options.onOutcome(task, outcome)
    this.pump()
  }

  private release(slot: Slot<Task>, signal?: NodeJS.Signals): void {
    const { child } = slot
    slot.child = undefined
    clearTimeout(slot.timer)
    if (child === undefined) return
    if (signal === undefined) child.disconnect()
    else child.kill(signal)
  }
}
