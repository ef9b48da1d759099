import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CassioClient, type ClientOptions, type NodeStatus } from '@cassiopeia/client'
import { type Cleanup, freePorts, LOCAL_HOST, until } from './world'

/** Real `cassio` processes, from the build: `npm run build` comes first. */

export const ROOT = resolve(__dirname, '..', '..')
const CASSIO = join(ROOT, 'packages', 'cli', 'bin', 'cassio.js')

/** A test may fail, or be killed with its worker: a node that has lost its parent stops by itself. */
const NODE_STDIO = ['ignore', 'pipe', 'pipe', 'ipc'] as const

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface Finished extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** Ours without what would set options of `cassio` behind a test's back. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('CASSIO_'))
  return { ...Object.fromEntries(inherited), NO_COLOR: '1', ...more }
}

/** A child process and all that it has said. */
export class Child {
  stdout = ''
  stderr = ''
  /** Set once it has ended and its output is complete. */
  exit: Exit | undefined
  readonly exited: Promise<Finished>

  constructor(readonly process: ChildProcess) {
    process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.exited = new Promise((resolve) => {
      process.on('close', (code, signal) => {
        this.exit = { code, signal }
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  get pid(): number {
    return this.process.pid!
  }

  signal(signal: NodeJS.Signals): void {
    // After its end the pid may be another's.
    if (this.exit === undefined) this.process.kill(signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }
}

export interface SpawnOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: string
}

function spawnNode(args: readonly string[], options: SpawnOptions, cleanup: Cleanup): Child {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: environment(options.environment),
    stdio: 'pipe',
  })
  const found = new Child(child)
  cleanup.add(() => found.kill())
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  return found
}

/** Starts `cassio` with these arguments; it is killed at the latest by `cleanup`. */
export function startCassio(
  args: readonly string[],
  cleanup: Cleanup,
  options: SpawnOptions = {},
): Child {
  if (!existsSync(join(ROOT, 'packages', 'cli', 'dist', 'main.js'))) {
    throw new Error('tests of real processes run the build: npm run build')
  }
  return spawnNode([CASSIO, ...args], options, cleanup)
}

/** Runs `cassio` to its end. */
export function cassio(
  args: readonly string[],
  cleanup: Cleanup,
  options: SpawnOptions = {},
): Promise<Finished> {
  return startCassio(args, cleanup, options).exited
}

/** Runs a script that was not written for this project's modules alone, in the project's root. */
export function runScript(
  script: string,
  type: 'module' | 'commonjs',
  cleanup: Cleanup,
  options: SpawnOptions = {},
): Promise<Finished> {
  return spawnNode([`--input-type=${type}`, '-e', script], options, cleanup).exited
}

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly [field: string]: unknown
}

export interface NodePlan {
  readonly port: number
  /** Where others find it: HOST:PORT. */
  readonly address: string
  readonly directory: string
  readonly members: readonly string[]
  readonly flags: readonly string[]
}

/** One node: a data directory and an address, and the process that serves it while there is one. */
export class NodeProcess {
  readonly address: string
  readonly directory: string
  /** What all starts wrote to standard error, and the latest start to standard output. */
  private logs = ''
  private child: Child | undefined

  constructor(private readonly plan: NodePlan) {
    this.address = plan.address
    this.directory = plan.directory
  }

  /**
   * @param members The list to start with, when not its own.
   * @param more Flags after its own: of two that are the same, the later wins.
   */
  start(members: readonly string[] = this.plan.members, more: readonly string[] = []): void {
    const { port, address, directory, flags } = this.plan
    const listen = `${LOCAL_HOST}:${port}`
    const args = ['node', '--listen', listen, '--members', members.join(), '--data', directory]
    if (address !== listen) args.push('--advertise', address)
    const child = spawn(process.execPath, [CASSIO, ...args, ...flags, ...more], {
      cwd: ROOT,
      env: environment(),
      stdio: [...NODE_STDIO],
    })
    this.logs += this.child?.stderr ?? ''
    this.child = new Child(child)
  }

  get pid(): number {
    return this.current.pid
  }

  get isRunning(): boolean {
    return this.child !== undefined && this.child.exit === undefined
  }

  get exited(): Promise<Finished> {
    return this.current.exited
  }

  /** Everything it ever logged, in all its starts. */
  get allLogs(): string {
    return this.logs + (this.child?.stderr ?? '')
  }

  /** What the latest start has logged so far. */
  get log(): LogLine[] {
    const whole = this.current.stderr.split('\n').slice(0, -1)
    return whole.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []))
  }

  /** Whether the latest start has said `listening` or `formed` on standard output. */
  hasSaid(type: 'listening' | 'formed'): boolean {
    return this.current.stdout.includes(`"type":"${type}"`)
  }

  /** @throws Error with its log when it ends before it has said so. */
  async untilSaid(type: 'listening' | 'formed'): Promise<void> {
    await until(`${this.address} says ${type}`, () => !this.isRunning || this.hasSaid(type))
    if (!this.hasSaid(type)) throw new Error(`${this.address} ended:\n${this.current.stderr}`)
  }

  /** kill -9. */
  kill(): Promise<void> {
    return this.child === undefined ? Promise.resolve() : this.child.kill()
  }

  pause(): void {
    this.current.signal('SIGSTOP')
  }

  resume(): void {
    this.current.signal('SIGCONT')
  }

  /** SIGTERM, and how it ended. */
  stop(): Promise<Finished> {
    this.current.signal('SIGTERM')
    return this.current.exited
  }

  /** An empty disk in the same place. */
  wipe(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true })
  }

  private get current(): Child {
    if (this.child === undefined) throw new Error(`${this.address} has not been started`)
    return this.child
  }
}

export interface ClusterPlan {
  readonly nodes?: number
  readonly rf?: number
  readonly flags?: readonly string[]
  /** What the node on a port is known as; its own address by default. */
  readonly advertise?: (port: number) => Promise<string>
}

/** Some nodes on this machine, with clients of theirs. */
export class Cluster {
  private constructor(
    readonly nodes: readonly NodeProcess[],
    private readonly secret: string | undefined,
    private readonly cleanup: Cleanup,
  ) {}

  /** Makes the plan; nothing runs yet. Whatever runs later is killed by `cleanup`. */
  static async plan(
    cleanup: Cleanup,
    { nodes: count = 3, rf = 3, flags = [], advertise }: ClusterPlan = {},
    secret?: { readonly text: string; readonly file: string },
  ): Promise<Cluster> {
    const directory = await cleanup.directory()
    const base = await freePorts(count)
    const ports = Array.from({ length: count }, (_, i) => base + i)
    const addresses: string[] = []
    for (const port of ports) addresses.push((await advertise?.(port)) ?? `${LOCAL_HOST}:${port}`)
    const all = ['--rf', String(rf), ...flags]
    if (secret !== undefined) all.push('--secret-file', secret.file)
    const nodes = ports.map((port, i) => {
      const address = addresses[i]!
      const own = join(directory, String(port))
      return new NodeProcess({ port, address, directory: own, members: addresses, flags: all })
    })
    cleanup.add(() => Promise.all(nodes.map((node) => node.kill())))
    return new Cluster(nodes, secret?.text, cleanup)
  }

  /** Starts all nodes and waits until they see each other. */
  static async start(
    cleanup: Cleanup,
    plan?: ClusterPlan,
    secret?: { readonly text: string; readonly file: string },
  ): Promise<Cluster> {
    const cluster = await Cluster.plan(cleanup, plan, secret)
    await cluster.startAll()
    return cluster
  }

  get addresses(): string[] {
    return this.nodes.map((node) => node.address)
  }

  async startAll(): Promise<void> {
    for (const node of this.nodes) node.start()
    await this.untilWhole()
  }

  /** kill -9 to all of them, as one. */
  async killAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
  }

  /** Resolves when each node serves, and has heard of each other that it lives. */
  async untilWhole(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.untilSaid('formed')))
    const client = await this.client()
    for (const { address } of this.nodes) {
      await until(`${address} sees all members alive`, async () => {
        const { members } = await client.status(address)
        return members.every(({ state, heartbeat }) => state === 'alive' && heartbeat > 0)
      })
    }
    await client.disconnect()
  }

  /** A client that is not connected yet; `cleanup` disconnects it. */
  newClient(options: ClientOptions = {}): CassioClient {
    const client = new CassioClient({
      contactPoints: this.addresses,
      connectTimeoutMs: 10_000,
      ...(this.secret === undefined ? {} : { secret: this.secret }),
      ...options,
    })
    this.cleanup.add(() => client.disconnect())
    return client
  }

  /** A client that is connected to each node that runs. */
  async client(options: ClientOptions = {}): Promise<CassioClient> {
    const client = this.newClient(options)
    await client.connect()
    if (options.ports !== undefined) return client
    for (const { address, isRunning } of this.nodes) {
      if (isRunning) await until(`a connection to ${address}`, () => client.status(address))
    }
    return client
  }
}

/** What a node's status says of another. */
export function memberIn(status: NodeStatus, address: string): NodeStatus['members'][number] {
  const member = status.members.find((each) => each.address === address)
  if (member === undefined) throw new Error(`${status.address} knows no ${address}`)
  return member
}
