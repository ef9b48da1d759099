import type { Disk, Logger } from '@cassiopeia/env'
import type { TableDamage } from '../jobs/job'
import type { ManifestState } from '../manifest/format'
import type { Manifest } from '../manifest/manifest'
import { removeIfThere } from '../remove-if-there'
import { isDiskFull } from '../sync-file'
import { messageOf, systemCode } from '../system-error'
import type { BlockCache } from '../table/block-cache'
import type { TableCorruption } from '../table/damage'
import { Table } from '../table/table'
import { type TableInfo, TableKind, tableName, tableNumberOf } from '../table/table-info'
import type { Backlog } from './throttle'
import { Version } from './version'

/** Damaged pieces that `stats` tells of; more are only logged. */
const DAMAGES_MAX = 1_000

export interface TableSetParts {
  readonly directory: string
  readonly disk: Disk
  readonly logger: Logger
  readonly manifest: Manifest
  readonly cache: BlockCache
  /** The manifest could not be written: nobody knows which state stands. */
  readonly onFailed: (cause: unknown) => void
}

interface Opened {
  readonly table: Table
  /** Versions that it is part of. */
  versions: number
}

/**
 * The live tables: opened, changed only together with the manifest, and removed from the disk when
 * the last version that has them is let go of.
 */
export class TableSet {
  version: Version
  /** What compaction has before it. */
  backlog: Backlog = { runs: 0, bottomBytes: 0, upperBytes: 0 }
  readonly damages: TableDamage[] = []
  /** Tables in which a damaged block was met; compaction leaves them alone. */
  readonly damaged = new Set<number>()
  private readonly opened = new Map<number, Opened>()
  private editing: Promise<void> = Promise.resolve()
  private removing: Promise<void> = Promise.resolve()
  private nextNumber: number
  private nextRun: number
  private closed = false
  /** A manifest was being written when the disk failed: which one stands nobody knows. */
  private inDoubt = false

  private constructor(private readonly parts: TableSetParts) {
    const { nextNumber, nextRun } = parts.manifest.state
    this.nextNumber = nextNumber
    this.nextRun = nextRun
    this.version = new Version([], this.letGo)
  }

  /** Opens the tables of the manifest. */
  static async open(parts: TableSetParts): Promise<TableSet> {
    const set = new TableSet(parts)
    const { tables } = parts.manifest.state
    try {
      for (const { info } of tables) await set.openTable(info)
    } catch (error) {
      await set.close()
      throw error
    }
    set.swap(set.versionOf(parts.manifest.state))
    return set
  }

  /**
   * Removes the files that a crash has left beside the tables. Not when one of these is missing: then
   * the manifest may be an old one that somebody has put back, and those files the data.
   */
  async removeStrangers(): Promise<void> {
    const { disk, directory, logger } = this.parts
    const files = (await disk.list(directory)).map(tableNumberOf)
    const missing = [...this.opened.keys()].filter((number) => !files.includes(number))
    for (const number of files) {
      if (number === undefined || this.opened.has(number)) continue
      if (missing.length === 0) await disk.unlink(this.pathOf(number))
      else {
        this.nextNumber = Math.max(this.nextNumber, number + 1)
        logger.warn('unknown table left alone', { table: number, missing: missing[0] })
      }
    }
  }

  get state(): ManifestState {
    return this.parts.manifest.state
  }

  pathOf(number: number): string {
    return `${this.parts.directory}/${tableName(number)}`
  }

  /** Numbers for the tables of a job: `count` of them from the one returned on. */
  takeNumbers(count: number): number {
    const first = this.nextNumber
    this.nextNumber += count
    return first
  }

  /** The number of a run that is about to begin. */
  readonly takeRun = (): number => {
    const run = this.nextRun
    this.nextRun += 1
    return run
  }

  /**
   * Makes the outcome of `change` the state of the store, durably. Edits follow one another.
   *
   * @param onSwap Called in the same turn in which reads begin to see the new tables.
   * @throws ENOSPC and the like: nothing has changed. Any other error makes the store fail.
   */
  edit(change: (state: ManifestState) => ManifestState, onSwap: () => void): Promise<void> {
    const edited = this.editing.then(() => this.perform(change, onSwap))
    this.editing = edited.catch(() => {})
    return edited
  }

  /** Runs `action` between two edits. */
  between(action: (state: ManifestState) => Promise<void>): Promise<void> {
    const done = this.editing.then(() => action(this.state))
    this.editing = done.catch(() => {})
    return done
  }

  /** Removes the tables of a job whose outcome is not wanted. */
  async discard(infos: readonly TableInfo[]): Promise<void> {
    // The manifest that may have come to stand names them.
    if (this.inDoubt) return
    for (const { number } of infos) await this.remove(number)
  }

  /** Fences off damage that was met elsewhere than by a lookup. */
  fence(damage: TableDamage): void {
    const opened = this.opened.get(damage.table)
    if (opened !== undefined) opened.table.fence(damage)
    else this.noteDamage(damage)
  }

  /** Fences off the damage that a cursor has thrown. @returns whether the error is of that kind. */
  fenceThrown(error: unknown): boolean {
    const { table, at, bytes } = error as Partial<TableCorruption>
    if (systemCode(error) !== 'CASSIO_CORRUPT' || table === undefined) return false
    this.fence({ table, at: at ?? 0, bytes: bytes ?? 0, what: messageOf(error) })
    return true
  }

  /** Notes a damaged piece; it stays fenced off, and its table is left alone. */
  readonly noteDamage = (damage: TableDamage): void => {
    this.damaged.add(damage.table)
    this.backlog = this.backlogNow()
    if (this.damages.some(({ table, at }) => table === damage.table && at === damage.at)) return
    if (this.damages.length < DAMAGES_MAX) this.damages.push(damage)
    this.parts.logger.error('damaged block fenced off', { ...damage })
  }

  /** Waits for edits and removals, then closes all files. */
  async close(): Promise<void> {
    await this.editing
    this.closed = true
    await this.removing
    for (const { table } of this.opened.values()) table.release()
    this.opened.clear()
  }

  private async perform(
    change: (state: ManifestState) => ManifestState,
    onSwap: () => void,
  ): Promise<void> {
    const { manifest } = this.parts
    const changed = change(manifest.state)
    const state = { ...changed, nextNumber: this.nextNumber, nextRun: this.nextRun }
    const added = state.tables.filter(({ info }) => !this.opened.has(info.number))
    let version: Version
    try {
      for (const { info } of added) await this.openTable(info)
      // It checks invariants: a store whose manifest breaks one would never open again.
      version = this.versionOf(state)
      await manifest.write(state)
    } catch (error) {
      for (const { info } of added) this.forget(info.number)
      // Before the new manifest is in its place a full disk does no harm.
      if (!isDiskFull(error)) {
        this.inDoubt = true
        this.parts.onFailed(error)
      }
      throw error
    }
    this.swap(version)
    onSwap()
  }

  private swap(version: Version): void {
    const before = this.version
    for (const { entry } of version.tables) this.opened.get(entry.info.number)!.versions += 1
    this.version = version
    before.release()
    this.backlog = this.backlogNow()
  }

  /** Without damaged runs: they stay as they are. */
  private backlogNow(): Backlog {
    let bottomBytes = 0
    let bytes = 0
    let count = 0
    for (const { kind, tables } of this.version.runs) {
      if (tables.some(({ entry }) => this.damaged.has(entry.info.number))) continue
      count += 1
      if (kind !== TableKind.data) continue
      const ofRun = tables.reduce((sum, { entry }) => sum + entry.info.bytes, 0)
      bottomBytes = Math.max(bottomBytes, ofRun)
      bytes += ofRun
    }
    return { runs: count, bottomBytes, upperBytes: bytes - bottomBytes }
  }

  private versionOf({ tables }: ManifestState): Version {
    return new Version(
      tables.map((entry) => ({ entry, table: this.opened.get(entry.info.number)!.table })),
      this.letGo,
    )
  }

  private async openTable(info: TableInfo): Promise<void> {
    const { disk, cache } = this.parts
    const table = new Table(info, this.pathOf(info.number), disk, cache, this.noteDamage)
    this.opened.set(info.number, { table, versions: 0 })
    await table.open()
  }

  private forget(number: number): void {
    this.opened.get(number)?.table.release()
    this.opened.delete(number)
  }

  private readonly letGo = (version: Version): void => {
    for (const { entry } of version.tables) {
      const { number } = entry.info
      const opened = this.opened.get(number)
      if (opened === undefined) continue
      opened.versions -= 1
      if (opened.versions > 0 || this.closed) continue
      this.forget(number)
      this.removing = this.removing.then(() => this.remove(number))
    }
  }

  private async remove(number: number): Promise<void> {
    try {
      await removeIfThere(this.parts.disk, this.pathOf(number))
    } catch (error) {
      // The next opening removes it: the manifest does not name it.
      const { logger } = this.parts
      logger.warn('table not removed', { table: number, error: messageOf(error) })
    }
  }
}
