import { BlockBuilder } from './block-builder'
import { NumberList } from './number-list'
import { OutputChunks } from './output-buffer'
import { TableIndexBuilder } from './table-index'

/** What a table writer works with, besides its output. */
export interface WriterTools {
  readonly builder: BlockBuilder
  readonly index: TableIndexBuilder
  /** Of all keys. */
  readonly hashes: NumberList
  /** How many of them each block has. */
  readonly blockCells: NumberList
  /** Of the cells that expire. */
  readonly expiries: NumberList
}

/**
 * Memory for table writers that follow one another, as those of a job do: each takes what others have
 * finished with, so that many small tables make no more garbage than a large one.
 */
export class WriterMemory {
  readonly chunks: OutputChunks = new OutputChunks()
  private readonly idle: WriterTools[] = []

  /** @param blockBytes As all the writers' settings have it. */
  constructor(private readonly blockBytes: number) {}

  take(): WriterTools {
    return (
      this.idle.pop() ?? {
        builder: new BlockBuilder(this.blockBytes),
        index: new TableIndexBuilder(),
        hashes: new NumberList(),
        blockCells: new NumberList(),
        expiries: new NumberList(),
      }
    )
  }

  /** Nobody may use the tools from now on. */
  give(tools: WriterTools): void {
    tools.builder.clear()
    tools.index.clear()
    tools.hashes.clear()
    tools.blockCells.clear()
    tools.expiries.clear()
    this.idle.push(tools)
  }
}
