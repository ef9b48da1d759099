import { formatAddress } from '../format-address'
import type { Address, Connection, ConnectionHandlers, Listener, Network } from '../network'
import { systemError } from '../system-error'
import type { Incarnation } from './incarnation'
import type { KeyedRandom, Seed } from './keyed-random'
import { type Link, type LinkOptions, LinkTable } from './link-faults'
import type { Scheduler } from './scheduler'
import { type ConnectionWorld, SimConnection } from './sim-connection'
import type { SimPipe } from './sim-pipe'

/** How often a dialler tries again while nothing answers, and when it gives up. */
const dialRetryMs = 1_000
const dialTimeoutMs = 20_000
/** `listen` with port 0 and dialling take ports from here on, in order, per host. */
const freePortFirst = 20_000

interface OpenListener {
  readonly owner: Incarnation
  readonly accept: (connection: Connection) => void
}

/** The one network of a world: who listens where, which connections live, what the links do. */
export class SimNetworkFabric implements ConnectionWorld {
  readonly links: LinkTable
  private readonly listeners = new Map<string, OpenListener>()
  /** Where a process has ever listened: an address of a machine without power answers nothing. */
  private readonly lastOwners = new Map<string, Incarnation>()
  private readonly connections = new Set<SimConnection>()
  /** With packets held at a cut; their ends may be closed, as a system sends on after a close. */
  private readonly holding = new Set<SimPipe>()
  private readonly nextPorts = new Map<string, number>()

  constructor(
    readonly scheduler: Scheduler,
    seed: Seed,
    options: Partial<LinkOptions>,
    /** The machine of a host on which nobody has listened yet. */
    private readonly hostOwner: (host: string) => Incarnation | undefined,
  ) {
    this.links = new LinkTable(seed, options)
  }

  isCut(link: Link): boolean {
    return this.links.isCut(link)
  }

  forget(connection: SimConnection): void {
    this.connections.delete(connection)
  }

  hold(pipe: SimPipe): void {
    this.holding.add(pipe)
  }

  /** After a repair, or when a machine has power again: held packets travel on. */
  releaseHeld(): void {
    const holding = [...this.holding]
    this.holding.clear()
    for (const pipe of holding) pipe.release()
  }

  /** Resets every connection between two processes, at once. */
  resetConnections(a: string, b: string): void {
    for (const connection of [...this.connections]) {
      if (connection.link.from === a && connection.link.to === b) connection.resetBoth()
    }
  }

  /** A process has ended. Its system closes its sockets, if there is power. */
  processEnded(owner: Incarnation, power: boolean, random: KeyedRandom): void {
    for (const [key, listener] of this.listeners) {
      if (listener.owner === owner) this.listeners.delete(key)
    }
    for (const connection of [...this.connections]) {
      if (connection.owner !== owner) continue
      connection.abandon(power ? (random.chance(0.5) ? 'fin' : 'reset') : 'silence')
      this.connections.delete(connection)
    }
  }

  freePort(host: string): number {
    let port = this.nextPorts.get(host) ?? freePortFirst
    while (this.listeners.has(formatAddress({ host, port }))) port += 1
    this.nextPorts.set(host, port + 1)
    return port
  }

  listen(
    owner: Incarnation,
    wanted: Address,
    accept: (connection: Connection) => void,
  ): { address: Address; close: () => void } {
    const { host } = wanted
    const port = wanted.port === 0 ? this.freePort(host) : wanted.port
    const key = formatAddress({ host, port })
    if (this.listeners.has(key)) throw systemError('EADDRINUSE', 'listen', key)
    const listener = { owner, accept }
    this.listeners.set(key, listener)
    this.lastOwners.set(key, owner)
    return {
      address: { host, port },
      close: () => {
        if (this.listeners.get(key) === listener) this.listeners.delete(key)
      },
    }
  }

  dial(owner: Incarnation, target: Address, handlers: ConnectionHandlers): Connection {
    const key = formatAddress(target)
    const to = this.processAt(target)?.machine.name ?? target.host
    const link = this.links.get(owner.machine.name, to)
    const connection = new SimConnection(this, owner, link, key)
    connection.setHandlers(handlers)
    if (!owner.alive) return connection
    this.connections.add(connection)
    const giveUpMs = this.scheduler.nowMs + dialTimeoutMs
    this.later(link.latencyMs(), 'net:dial', () => this.arriveDial(connection, target, giveUpMs))
    return connection
  }

  private processAt(target: Address): Incarnation | undefined {
    const key = formatAddress(target)
    return this.listeners.get(key)?.owner ?? this.lastOwners.get(key) ?? this.hostOwner(target.host)
  }

  private arriveDial(connection: SimConnection, target: Address, giveUpMs: number): void {
    if (connection.isClosed || !connection.owner.alive) return
    const there = this.processAt(target)?.machine
    // Who listens there may have changed since the call.
    connection.link = this.links.get(connection.owner.machine.name, there?.name ?? target.host)
    const { link } = connection
    const back = this.links.get(link.to, link.from)
    const key = formatAddress(target)
    if (there?.on === false || this.isCut(link) || this.isCut(back)) {
      this.retryDial(connection, target, giveUpMs)
      return
    }
    const listener = this.listeners.get(key)
    if (listener === undefined) {
      const refuse = () => connection.fail(systemError('ECONNREFUSED', 'connect', key))
      this.later(back.latencyMs(), 'net:refuse', refuse, connection.owner)
      return
    }
    const host = link.from
    const remote = formatAddress({ host, port: this.freePort(host) })
    const accepted = new SimConnection(this, listener.owner, back, remote)
    accepted.peer = connection
    connection.peer = accepted
    this.connections.add(accepted)
    accepted.open(false)
    const openMs = this.scheduler.nowMs + back.latencyMs()
    accepted.arriveAfter(openMs)
    const accept = () => listener.accept(accepted)
    this.later(0.01, 'net:accept', accept, listener.owner)
    this.later(
      openMs - this.scheduler.nowMs,
      'net:open',
      () => connection.open(true),
      connection.owner,
    )
  }

  private retryDial(connection: SimConnection, target: Address, giveUpMs: number): void {
    if (this.scheduler.nowMs + dialRetryMs < giveUpMs) {
      const retry = () => this.arriveDial(connection, target, giveUpMs)
      this.later(dialRetryMs, 'net:dial', retry)
      return
    }
    const giveUp = () => connection.fail(systemError('ETIMEDOUT', 'connect', formatAddress(target)))
    this.later(giveUpMs - this.scheduler.nowMs, 'net:refuse', giveUp, connection.owner)
  }

  private later(delayMs: number, kind: string, run: () => void, owner?: Incarnation): void {
    this.scheduler.after(delayMs, kind, run, { owner })
  }
}

/** One incarnation's network. After its end nothing is sent, and nothing is answered. */
export class SimNetwork implements Network {
  constructor(
    private readonly fabric: SimNetworkFabric,
    private readonly owner: Incarnation,
  ) {}

  listen(address: Address, accept: (connection: Connection) => void): Promise<Listener> {
    return this.soon('net:listen', () => {
      const { address: bound, close } = this.fabric.listen(this.owner, address, accept)
      return {
        address: bound,
        close: () => {
          if (this.owner.alive) close()
          return this.soon('net:unlisten', () => {})
        },
      }
    })
  }

  dial(address: Address, handlers: ConnectionHandlers): Connection {
    return this.fabric.dial(this.owner, address, handlers)
  }

  private soon<T>(kind: string, action: () => T): Promise<T> {
    const { owner, fabric } = this
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(action())
        } catch (error) {
          reject(error)
        }
      }
      fabric.scheduler.after(0.05, kind, run, { owner })
    })
  }
}
