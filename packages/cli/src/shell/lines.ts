/** A value of 16 MiB in which every byte is written as \xNN, and room for the rest of the line. */
export const LINE_BYTES_MAX = 80 * 1024 * 1024

/**
 * The lines of a stream of bytes, without their ends (\n or \r\n). The last line needs none. Lines
 * are bytes, so that what is not UTF-8 can be refused instead of being changed.
 *
 * @throws RangeError for a line beyond `lineBytesMax`.
 */
export async function* readLines(
  stream: AsyncIterable<Buffer | string>,
  lineBytesMax = LINE_BYTES_MAX,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let length = 0
  for await (const part of stream) {
    const chunk = typeof part === 'string' ? Buffer.from(part, 'utf8') : part
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      yield withoutReturn(Buffer.concat([...parts, chunk.subarray(from, end)]))
      parts = []
      length = 0
      from = end + 1
    }
    if (from === chunk.length) continue
    parts.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > lineBytesMax) throw new RangeError(`a line is longer than ${lineBytesMax} bytes`)
  }
  if (length > 0) yield withoutReturn(Buffer.concat(parts))
}

const NEWLINE = 0x0a

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}
