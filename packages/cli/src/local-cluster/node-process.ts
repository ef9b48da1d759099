import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type CassioError, errorFromWire } from '@cassiopeia/protocol'
import { isNodeMessage, type NodeMessage, type StarterMessage } from './node-messages'
import { LOCAL_HOST } from './ports'
import { identityOf, type ProcessIdentity } from './process-identity'
import { nodeDirectory, nodeLogPath } from './state-file'

export interface Formed {
  readonly clusterId: string
  readonly epoch: number
}

export interface NodeExit {
  readonly code: number | null
  readonly signal: string | null
  /** What the node said before it ended, if it ended of itself. */
  readonly error: CassioError | undefined
}

/** One `cassio node` process that this process has started. */
export class NodeProcess {
  readonly address: string
  readonly identity: ProcessIdentity
  /** Resolves when the node has joined the others; never rejects. */
  readonly formed: Promise<Formed>
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<NodeExit>
  private error: CassioError | undefined

  private constructor(
    readonly port: number,
    /** Where its part of the log begins. */
    readonly logFrom: number,
    private readonly child: ChildProcess,
  ) {
    this.address = `${LOCAL_HOST}:${port}`
    this.identity = identityOf(child.pid!)
    this.formed = new Promise((resolve) => {
      child.on('message', (message) => {
        if (!isNodeMessage(message)) return
        if (message.type === 'formed') {
          resolve({ clusterId: message.clusterId, epoch: message.epoch })
        }
        if (message.type === 'failed') this.onFailed(message)
      })
    })
    this.exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        const end = () => resolve({ code, signal, error: this.error })
        // Its last message may still be in the channel; the channel closes behind it.
        if (child.connected) child.once('disconnect', end)
        else end()
      })
    })
  }

  /**
   * Starts a node in a session of its own, so that the terminal's Ctrl-C reaches its starter alone.
   * Its log goes to `node.log` in its directory.
   *
   * @param args Of `cassio`, from `nodeArguments`.
   * @throws Error when the directory cannot be written or the process cannot be made.
   */
  static async start(
    directory: string,
    port: number,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
  ): Promise<NodeProcess> {
    mkdirSync(nodeDirectory(directory, port), { recursive: true })
    const log = openSync(nodeLogPath(directory, port), 'a', 0o600)
    try {
      const logFrom = fstatSync(log).size
      const child = spawn(process.execPath, [CASSIO, ...args], {
        detached: true,
        env: environment,
        stdio: ['ignore', 'ignore', log, 'ipc'],
      })
      await new Promise((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', reject)
      })
      return new NodeProcess(port, logFrom, child)
    } finally {
      closeSync(log)
    }
  }

  /** Lets the node live on after this process. */
  async release(): Promise<void> {
    if (this.child.connected) {
      const stay: StarterMessage = { type: 'stay' }
      await new Promise<void>((resolve) => this.child.send(stay, () => resolve()))
      this.child.disconnect()
    }
    this.child.unref()
  }

  private onFailed(message: NodeMessage & { type: 'failed' }): void {
    this.error = errorFromWire(message.error)
  }
}

/** The launcher of this very installation. */
const CASSIO = join(__dirname, '..', '..', 'bin', 'cassio.js')
