import { encodeCall, type FrameWriter, MessageType, Request } from '@cassiopeia/protocol'
import type { Attempt } from './operation'

/**
 * Lays out GET, PUT and CALL. @see docs/formats/wire.md
 * @param deadline In the receiver's monotonic milliseconds.
 */
export function encodeRequest(writer: FrameWriter, attempt: Attempt, deadline: number): void {
  const { id, epoch, operation } = attempt
  const { body, level } = operation
  if (body.type === MessageType.CALL) {
    writer.write(body.type, encodeCall(id, deadline, body.method, body.params))
    return
  }
  const at = writer.begin(body.type, Request.rest + body.bytes.length)
  const { buffer } = writer
  buffer.writeUInt32BE(id, at + Request.id)
  buffer[at + Request.level] = level
  buffer.writeUInt32BE(epoch, at + Request.epoch)
  buffer.writeDoubleBE(deadline, at + Request.deadline)
  buffer.set(body.bytes, at + Request.rest)
}
