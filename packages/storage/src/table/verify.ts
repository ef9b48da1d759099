import type { Disk, DiskFile } from '@cassiopeia/env'
import { CELL_HEADER_BYTES, cellFault, cellKeyLength, cellSize } from '@cassiopeia/protocol'
import type { TableDamage } from '../jobs/job'
import { compareBytes } from '../memtable/key-bytes'
import { BlockReader } from './block'
import { FOOTER_BYTES, HEADER_BYTES, headerFault, type TableLayout } from './format'
import { OpenedBlock, openFilter, openTableFile, readIndex } from './table-file'
import type { TableIndex } from './table-index'
import type { TableInfo } from './table-info'

const CHUNK_BYTES = 256 * 1024

/**
 * Reads all of a table and checks every byte: the checksums, that blocks lie where they belong, and
 * that their cells are sound, in order and as many as the footer says.
 *
 * @param onBytes Told of bytes read, for pace and statistics; the reading waits for it.
 * @returns all damage found. @throws the disk's own errors.
 */
export async function verifyTable(
  disk: Disk,
  path: string,
  info: TableInfo,
  onBytes: (bytes: number) => Promise<void> | void,
): Promise<TableDamage[]> {
  const { file, layout, damage } = await openTableFile(disk, path, info)
  if (damage !== undefined) return [damage]
  try {
    await onBytes(FOOTER_BYTES)
    const verifier = new Verifier(file, layout, info, onBytes)
    await verifier.run()
    return verifier.damages
  } finally {
    await file.close()
  }
}

class Verifier {
  readonly damages: TableDamage[] = []
  private readonly opened = new OpenedBlock()
  private readonly reader = new BlockReader()
  private cells = 0
  private lastPartition = 0
  private lastKey: Buffer = Buffer.alloc(0)

  constructor(
    private readonly file: DiskFile,
    private readonly layout: TableLayout,
    private readonly info: TableInfo,
    private readonly onBytes: (bytes: number) => Promise<void> | void,
  ) {}

  async run(): Promise<void> {
    const { layout } = this
    const header = await this.read(0, HEADER_BYTES)
    this.note(0, HEADER_BYTES, headerFault(header, layout.seed))
    const index = await readIndex(this.file, layout)
    await this.onBytes(layout.indexBytes)
    if (typeof index === 'string') this.note(layout.indexAt, layout.indexBytes, index)
    else await this.checkBlocks(index)
    if (layout.filterBytes > 0) {
      const filter = openFilter(await this.read(layout.filterAt, layout.filterBytes), layout)
      if (typeof filter === 'string') this.note(layout.filterAt, layout.filterBytes, filter)
    }
  }

  private async checkBlocks(index: TableIndex): Promise<void> {
    for (let from = 0; from < index.blocks; ) {
      const at = index.position(from)
      let to = from + 1
      while (to < index.blocks && index.position(to + 1) - at <= CHUNK_BYTES) to += 1
      const chunk = await this.read(at, index.position(to) - at)
      for (let block = from; block < to; block += 1) {
        const position = index.position(block)
        const bytes = index.bytesOf(block)
        const begin = position - at
        this.note(position, bytes, this.blockFault(chunk, begin, begin + bytes, position))
      }
      from = to
    }
    if (this.damages.length === 0 && this.cells !== this.info.cells) {
      this.note(0, this.info.bytes, `it holds ${this.cells} cells instead of ${this.info.cells}`)
    }
  }

  private blockFault(chunk: Buffer, from: number, to: number, at: number): string | undefined {
    const { opened, reader } = this
    const fault = opened.open(chunk, from, to, this.layout.seed, at)
    if (fault !== undefined) return fault
    reader.open(opened.bytes, opened.base, opened.length)
    const end = opened.base + opened.length
    do {
      const found = this.cellFault(end)
      if (found !== undefined) return found
    } while (reader.next())
    return undefined
  }

  private cellFault(end: number): string | undefined {
    const { bytes, at, partition } = this.reader
    if (at + CELL_HEADER_BYTES > end) return 'a cell lies outside of its block'
    const cellEnd = at + cellSize(bytes, at)
    const fault = cellEnd > end ? 'a cell reaches out of its block' : cellFault(bytes, at, cellEnd)
    if (fault !== undefined) return fault
    const keyAt = at + CELL_HEADER_BYTES
    const keyEnd = keyAt + cellKeyLength(bytes, at)
    const { lastKey, lastPartition } = this
    const isAbove =
      lastPartition === partition
        ? compareBytes(lastKey, 0, lastKey.length, bytes, keyAt, keyEnd) < 0
        : lastPartition < partition
    this.lastPartition = partition
    this.lastKey = bytes.subarray(keyAt, keyEnd)
    this.cells += 1
    return isAbove ? undefined : 'cells are out of order'
  }

  private async read(at: number, bytes: number): Promise<Buffer> {
    // What a file that has been cut short no longer has stays zero, and fails its checksum.
    const buffer = Buffer.alloc(bytes)
    await this.file.read(buffer, at)
    await this.onBytes(bytes)
    return buffer
  }

  private note(at: number, bytes: number, what: string | undefined): void {
    if (what !== undefined) this.damages.push({ table: this.info.number, at, bytes, what })
  }
}
