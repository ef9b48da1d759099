import { type LinkOptions, linkDefaults, type SimProcess, type Simulation } from '@cassiopeia/env'
import type { Direction, FaultAction } from './faults'

/** Faults of links that last now. They may overlap: each link is as bad as the worst laid on it. */
export class LaidLinkFaults {
  private readonly cuts = new Map<string, number>()
  private readonly everywhere: Partial<LinkOptions>[] = []
  private readonly directed = new Map<string, Partial<LinkOptions>[]>()
  private readonly touched = new Set<keyof LinkOptions>()

  constructor(private readonly simulation: Simulation) {}

  cut(pairs: readonly Direction[]): void {
    for (const pair of pairs) {
      const key = pair.join('\0')
      this.cuts.set(key, (this.cuts.get(key) ?? 0) + 1)
      this.simulation.cut(...pair, 'one-way')
    }
  }

  mend(pairs: readonly Direction[]): void {
    for (const pair of pairs) {
      const key = pair.join('\0')
      const left = (this.cuts.get(key) ?? 1) - 1
      this.cuts.set(key, left)
      if (left === 0) this.simulation.heal(...pair, 'one-way')
    }
  }

  lay(options: Partial<LinkOptions>, only: Direction | undefined): void {
    this.listOf(only).push(options)
    this.apply(options, only)
  }

  lift(options: Partial<LinkOptions>, only: Direction | undefined): void {
    const list = this.listOf(only)
    const index = list.indexOf(options)
    if (index >= 0) list.splice(index, 1)
    this.apply(options, only)
  }

  /** Ends all. */
  clear(): void {
    this.cuts.clear()
    this.simulation.heal()
    for (const key of this.directed.keys()) {
      const [from, to] = key.split('\0')
      this.simulation.setLink({}, from!, to!)
    }
    this.directed.clear()
    this.everywhere.length = 0
    this.applyEverywhere()
  }

  private apply(options: Partial<LinkOptions>, only: Direction | undefined): void {
    if (only !== undefined) {
      this.simulation.setLink(Object.assign({}, ...this.listOf(only)), ...only)
      return
    }
    for (const name of Object.keys(options)) this.touched.add(name as keyof LinkOptions)
    this.applyEverywhere()
  }

  private applyEverywhere(): void {
    const atRest = Object.fromEntries([...this.touched].map((name) => [name, linkDefaults[name]]))
    this.simulation.setLink(Object.assign(atRest, ...this.everywhere))
  }

  private listOf(only: Direction | undefined): Partial<LinkOptions>[] {
    if (only === undefined) return this.everywhere
    const key = only.join('\0')
    const list = this.directed.get(key) ?? []
    this.directed.set(key, list)
    return list
  }
}

export type DiskAction = Extract<
  FaultAction,
  { type: 'slowDisk' | 'diskFull' | 'syncFail' | 'readFail' | 'writeFail' }
>

export function isDiskAction(action: FaultAction): action is DiskAction {
  return ['slowDisk', 'diskFull', 'syncFail', 'readFail', 'writeFail'].includes(action.type)
}

/** Faults of one machine's disk that last now. */
export class LaidDiskFaults {
  private readonly laid: { readonly action: DiskAction; readonly quotaBytes: number }[] = []

  constructor(private readonly machine: SimProcess) {}

  lay(action: DiskAction): void {
    const { usedBytes } = this.machine.disk
    const quotaBytes =
      action.type === 'diskFull' ? usedBytes + action.roomBytes : Number.POSITIVE_INFINITY
    this.laid.push({ action, quotaBytes })
    this.apply()
  }

  lift(action: DiskAction): void {
    const index = this.laid.findIndex((each) => each.action === action)
    if (index >= 0) this.laid.splice(index, 1)
    this.apply()
  }

  clear(): void {
    this.laid.length = 0
    this.apply()
  }

  /** Whether the disk may refuse a call now. */
  get refuses(): boolean {
    return this.laid.some(({ action }) => action.type !== 'slowDisk')
  }

  private apply(): void {
    const { faults } = this.machine.disk
    faults.clear()
    for (const { action, quotaBytes } of this.laid) {
      switch (action.type) {
        case 'slowDisk':
          faults.slowFactor = Math.max(faults.slowFactor, action.factor)
          break
        case 'diskFull':
          faults.quotaBytes = Math.min(faults.quotaBytes, quotaBytes)
          break
        case 'syncFail':
          faults.syncFailProbability = Math.max(faults.syncFailProbability, action.probability)
          break
        case 'readFail':
          faults.readFailProbability = Math.max(faults.readFailProbability, action.probability)
          break
        default:
          faults.writeFailProbability = Math.max(faults.writeFailProbability, action.probability)
      }
    }
  }
}
