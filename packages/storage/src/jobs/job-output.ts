import type { Disk } from '@cassiopeia/env'
import { syncDirectory } from '../sync-file'
import { systemCode } from '../system-error'
import { type TableInfo, type TableKind, type TableSettings, tableName } from '../table/table-info'
import { TableWriter } from '../table/table-writer'
import { WriterMemory } from '../table/writer-memory'

/** Where and how a job writes its tables. */
export interface OutputSettings {
  readonly directory: string
  readonly settings: TableSettings
  readonly firstNumber: number
  readonly createdMs: number
}

/**
 * The tables that a job makes: numbers them, makes them durable before they are handed over, and
 * removes the files of those that never were.
 */
export class JobOutput {
  private nextNumber: number
  private readonly writers = new Set<TableWriter>()
  /** Whole, but their directory entries may be lost yet. */
  private finished: TableInfo[] = []
  /** Numbers of files that may be there and were not handed over. */
  private readonly ours = new Set<number>()
  private readonly memory: WriterMemory

  constructor(
    private readonly disk: Disk,
    private readonly job: OutputSettings,
  ) {
    this.nextNumber = job.firstNumber
    this.memory = new WriterMemory(job.settings.blockBytes)
  }

  async begin(kind: TableKind): Promise<TableWriter> {
    const { directory, createdMs, settings } = this.job
    const number = this.nextNumber
    this.nextNumber += 1
    this.ours.add(number)
    try {
      const writer = await TableWriter.create(
        this.disk,
        directory,
        number,
        kind,
        createdMs,
        settings,
        this.memory,
      )
      this.writers.add(writer)
      return writer
    } catch (error) {
      // Somebody else's file, against all rules, is not for us to remove.
      if (systemCode(error) === 'EEXIST') this.ours.delete(number)
      throw error
    }
  }

  /** Completes a table, which must have cells; it is handed over with the next ones. */
  async finish(writer: TableWriter): Promise<void> {
    this.finished.push(await writer.finish())
    this.writers.delete(writer)
  }

  /** The tables finished since the last call, durable now. They are the caller's. */
  async handOver(): Promise<readonly TableInfo[]> {
    const { finished } = this
    if (finished.length > 0) await syncDirectory(this.disk, this.job.directory)
    this.finished = []
    for (const { number } of finished) this.ours.delete(number)
    return finished
  }

  /** Removes all that was not handed over, as far as the disk lets it. Never throws. */
  async abandon(): Promise<void> {
    for (const writer of this.writers) await writer.abandon()
    for (const number of this.ours) {
      try {
        await this.disk.unlink(`${this.job.directory}/${tableName(number)}`)
      } catch {
        // Gone already; or the next recovery finds a file that no manifest names, and removes it.
      }
    }
    this.writers.clear()
    this.ours.clear()
    this.finished = []
  }
}
