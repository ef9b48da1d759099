import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../integration/processes'
import { LOCAL_HOST } from '../integration/world'

const CASSIO = join(ROOT, 'packages', 'cli', 'bin', 'cassio.js')
/** Of a log, when its end is looked at. */
const TAIL_BYTES = 4096

export interface ChaosNodePlan {
  readonly name: string
  /** Where the proxy listens, and where all others are told that the node is. */
  readonly address: string
  /** Where the process listens. */
  readonly port: number
  readonly directory: string
  readonly logFile: string
  readonly members: readonly string[]
  readonly flags: readonly string[]
}

/** How one start of a node ended. */
export interface NodeEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What the rig did that explains it. */
  readonly asked: 'kill' | 'stop' | undefined
  readonly hadListened: boolean
}

/** One node: the process that serves it while there is one. Nothing here starts it again. */
export class ChaosNode {
  starts = 0
  private child: ChildProcess | undefined
  private asked: NodeEnd['asked']
  private hasListened = false
  private isStopped = false
  private ended: Promise<void> = Promise.resolve()

  constructor(
    readonly plan: ChaosNodePlan,
    /** Told of each end of a process, asked for or not. */
    private readonly onEnd: (end: NodeEnd) => void,
  ) {}

  get name(): string {
    return this.plan.name
  }

  get isRunning(): boolean {
    return this.child !== undefined
  }

  /** Whether it has said that it listens, and goes on. */
  get isServing(): boolean {
    return this.hasListened && this.isRunning
  }

  /** Whether the rig has told it to end, and it has not yet. */
  get isEnding(): boolean {
    return this.isRunning && this.asked !== undefined
  }

  get pid(): number | undefined {
    return this.child?.pid
  }

  start(): void {
    if (this.child !== undefined) return
    const { address, port, directory, members, flags, logFile } = this.plan
    const own = ['--listen', `${LOCAL_HOST}:${port}`, '--advertise', address, '--data', directory]
    const args = [CASSIO, 'node', ...own, '--members', members.join(), ...flags]
    const log = openSync(logFile, 'a')
    // A node that has lost its parent stops by itself: the rig may be killed too.
    const stdio = ['ignore', log, log, 'ipc'] as const
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: environment(),
      stdio: [...stdio],
    })
    closeSync(log)
    this.starts += 1
    this.child = child
    this.asked = undefined
    this.hasListened = false
    child.on('message', (message: { type?: string }) => {
      if (message.type === 'listening' && this.child === child) this.hasListened = true
    })
    child.on('error', () => {})
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        const end = { code, signal, asked: this.asked, hadListened: this.hasListened }
        this.child = undefined
        this.hasListened = false
        this.isStopped = false
        resolve()
        this.onEnd(end)
      })
    })
  }

  /** kill -9. */
  kill(): Promise<void> {
    if (this.child !== undefined) this.asked = 'kill'
    this.signal('SIGKILL')
    return this.ended
  }

  /** SIGTERM. Resolves when the process has ended. */
  stop(): Promise<void> {
    if (this.child !== undefined) this.asked ??= 'stop'
    this.signal('SIGTERM')
    return this.ended
  }

  pause(): void {
    this.isStopped = this.signal('SIGSTOP')
  }

  resume(): void {
    if (this.isStopped) this.signal('SIGCONT')
    this.isStopped = false
  }

  /** Resident memory; undefined where that is not known. */
  residentBytes(): number | undefined {
    if (this.pid === undefined) return undefined
    try {
      const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
      return found === null ? undefined : Number(found[1]) * 1024
    } catch {
      return undefined
    }
  }

  /** The end of everything that it has ever logged. */
  logTail(): string {
    try {
      const bytes = readFileSync(this.plan.logFile)
      return bytes.subarray(Math.max(0, statSync(this.plan.logFile).size - TAIL_BYTES)).toString()
    } catch {
      return ''
    }
  }

  private signal(signal: NodeJS.Signals): boolean {
    // Once its end is known the pid may be another's.
    return this.child?.kill(signal) ?? false
  }
}

/** Ours without what would set options of `cassio` behind the rig's back. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('CASSIO_'))
  return { ...Object.fromEntries(inherited), NO_COLOR: '1' }
}
