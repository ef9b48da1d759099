import type { Connection } from '@cassiopeia/env'
import { FrameWriter, MessageType } from '@cassiopeia/protocol'
import { Flusher } from '../../src/transport/flusher'
import { Link, type LinkOwner } from '../../src/transport/link'
import type { LoopTime } from '../../src/transport/loop-time'

const LIMITS = { outputPauseBytes: 1_000_000, outputMaxBytes: 1_000_000 }

class Messages implements LinkOwner {
  readonly types: number[] = []

  onMessage(type: number): void {
    this.types.push(type)
  }

  onLinkClosed(): void {
    this.types.push(-1)
  }
}

function frameOf(bytes: number): Buffer {
  const writer = new FrameWriter()
  writer.write(MessageType.GOSSIP, Buffer.alloc(bytes))
  return Buffer.concat(writer.take())
}

// A connection that went on receiving bytes was taken for alive, though no message came any more: a
// node's comparisons of replicas had no answers for as long as it lasted.
test('link: the length of a frame is damaged: what follows it does not count as heard', () => {
  const time = { nowMs: 0, refresh: () => time.nowMs, hybridMs: () => 0 }
  const owner = new Messages()
  const connection = { bufferedBytes: 0, remote: 'there', destroy: () => {} }
  const flusher = new Flusher({ soon: () => {}, after: () => ({ cancel: () => {} }) })
  const link = new Link(
    connection as unknown as Connection,
    time as unknown as LoopTime,
    flusher,
    LIMITS,
    owner,
  )
  link.reader.maxPayloadBytes = 16 * 1024 * 1024
  time.nowMs = 100
  link.receive(frameOf(10))
  expect([owner.types, link.lastReceivedMs]).toEqual([[MessageType.GOSSIP], 100])
  const damaged = frameOf(10)
  damaged[1]! ^= 0x40
  link.receive(damaged)
  for (time.nowMs = 200; time.nowMs < 20_000; time.nowMs += 100) link.receive(frameOf(10))
  expect([owner.types, link.lastReceivedMs]).toEqual([[MessageType.GOSSIP], 100])
})
