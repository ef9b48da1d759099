import { CELL_STAMP_AT, CellFlag, cellExpiryMs, cellFlags, cellKind, cellValue } from './cell'
import { crc32 } from './checksum'
import { compareStamps, STAMP_BYTES } from './stamp'

/**
 * A vote without the value: what a replica says of a key when another sends the cell.
 *
 *   0  16 B stamp
 *  16  u8   the cell's flags
 *  17  u8   its kind of value
 *  18  u48  its expiry
 *  24  u32  CRC-32 of its value; 0 unless the client gave the stamp
 *
 * A coordinator gives each stamp once, so an equal stamp means an equal cell. Only with stamps given
 * by clients can two cells share one, and only they pay for the checksum.
 */
export const VOTE_BYTES = 28

export function writeVote(target: Buffer, at: number, cell: Buffer, cellAt: number): void {
  cell.copy(target, at, cellAt + CELL_STAMP_AT, cellAt + CELL_STAMP_AT + STAMP_BYTES)
  const flags = cellFlags(cell, cellAt)
  target[at + 16] = flags
  target[at + 17] = cellKind(cell, cellAt)
  target.writeUIntBE(cellExpiryMs(cell, cellAt), at + 18, 6)
  const digest = (flags & CellFlag.clientStamp) === 0 ? 0 : crc32(cellValue(cell, cellAt))
  target.writeUInt32BE(digest, at + 24)
}

export function votesAgree(a: Buffer, aAt: number, b: Buffer, bAt: number): boolean {
  return (
    compareStamps(a, aAt, b, bAt) === 0 &&
    a.compare(b, bAt + 16, bAt + 28, aAt + 16, aAt + 28) === 0
  )
}
