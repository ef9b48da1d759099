import { FRAME_HEADER_BYTES, FrameReader, FrameWriter, MESSAGE_HEADER_BYTES } from '../src'
import { check, SeededRandom } from './support'

const MIB = 1024 * 1024

interface Message {
  readonly type: number
  readonly body: Buffer
}

/** A reader whose messages are copied out as they come. */
function collect(maxPayloadBytes = 32 * MIB): { reader: FrameReader; messages: Message[] } {
  const messages: Message[] = []
  const reader = new FrameReader(maxPayloadBytes, (type, buffer, from, to) => {
    messages.push({ type, body: Buffer.from(buffer.subarray(from, to)) })
  })
  return { reader, messages }
}

function frameOf(...messages: Message[]): Buffer {
  const writer = new FrameWriter()
  for (const { type, body } of messages) writer.write(type, body)
  return Buffer.concat(writer.take())
}

/** Frames 1, 2, 3, … of one writer, each with one small message. */
function frames(count: number): Buffer[] {
  const writer = new FrameWriter()
  return Array.from({ length: count }, (_, i) => {
    writer.write(i, Buffer.from(`message ${i}`))
    return Buffer.concat(writer.take())
  })
}

describe('frame', () => {
  it('frame: one message: the bytes are the golden ones', () => {
    const bytes = frameOf({ type: 6, body: Buffer.from('ab') })
    expect(bytes.toString('hex')).toBe('00000007000000014ac53a6100000002066162')
  })

  it('frame: random messages in random pieces from 1 byte: the same messages (seed 41)', () => {
    const random = new SeededRandom(41)
    for (let round = 0; round < 60; round += 1) {
      const writer = new FrameWriter()
      const sent: Message[] = []
      const chunks: Buffer[] = []
      for (let i = 0; i < 40; i += 1) {
        const size = random.chance(0.1) ? random.below(100_000) : random.below(300)
        const message = { type: random.below(256), body: Buffer.alloc(size, random.below(256)) }
        sent.push(message)
        if (random.chance(0.5)) {
          writer.write(message.type, message.body)
        } else {
          const at = writer.begin(message.type, size)
          message.body.copy(writer.buffer, at)
        }
        if (random.chance(0.2)) chunks.push(...writer.take())
      }
      chunks.push(...writer.take())
      expect(writer.pendingBytes).toBe(0)
      const stream = Buffer.concat(chunks)
      const { reader, messages } = collect()
      for (let at = 0; at < stream.length; ) {
        const length = random.chance(0.7) ? 1 + random.below(20) : 1 + random.below(70_000)
        reader.push(Buffer.from(stream.subarray(at, at + length)))
        at += length
      }
      expect(reader.fault).toBeUndefined()
      expect(reader.assembling).toBe(false)
      expect(messages.map(({ type }) => type)).toEqual(sent.map(({ type }) => type))
      expect(messages.every(({ body }, i) => body.equals(sent[i]!.body))).toBe(true)
    }
  })

  it.each([0, 1, 64 * 1024 - 17, 64 * 1024, 256 * 1024 + 1, 16 * MIB])(
    'frame: a message of %d bytes among small ones: all come in order',
    (size) => {
      const big = Buffer.alloc(size, 7)
      const small = Buffer.from('small')
      const bytes = frameOf(
        { type: 1, body: small },
        { type: 2, body: big },
        { type: 3, body: small },
      )
      const { reader, messages } = collect()
      for (let at = 0; at < bytes.length; at += 65_536) reader.push(bytes.subarray(at, at + 65_536))
      expect(messages.map(({ type }) => type)).toEqual([1, 2, 3])
      expect(messages[1]!.body.equals(big)).toBe(true)
    },
  )

  it('frame: many small messages in one turn: no frame far beyond its target', () => {
    const writer = new FrameWriter()
    for (let i = 0; i < 20_000; i += 1) writer.write(1, Buffer.alloc(100))
    const taken = writer.take()
    expect(Math.max(...taken.map((frame) => frame.length))).toBeLessThan(300 * 1024)
    const { reader, messages } = collect()
    for (const frame of taken) reader.push(frame)
    expect(messages).toHaveLength(20_000)
  })

  it('frame: taken buffers: never touched again', () => {
    const writer = new FrameWriter()
    writer.write(1, Buffer.from('first'))
    const taken = writer.take()
    const before = Buffer.concat(taken)
    for (let i = 0; i < 100; i += 1) writer.write(2, Buffer.alloc(1000, i))
    writer.take()
    expect(Buffer.concat(taken).equals(before)).toBe(true)
  })

  it('frame: every single bit flipped, whole or byte by byte: never a wrong message', () => {
    const sent = [Buffer.from('the first body'), Buffer.from('the second')]
    const [first, second] = sent as [Buffer, Buffer]
    const bytes = frameOf({ type: 6, body: first }, { type: 7, body: second })
    const next = frames(3)
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes)
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      for (const step of [damaged.length, 1]) {
        const { reader, messages } = collect(1 * MIB)
        for (let at = 0; at < damaged.length; at += step) {
          reader.push(Buffer.from(damaged.subarray(at, at + step)))
        }
        for (const frame of next.slice(1)) reader.push(frame)
        // A length that grew may only mean waiting for more; then nothing has been handed out yet.
        const isSilent = messages.length === 0 && (reader.fault !== undefined || reader.assembling)
        check(isSilent, () => `bit ${bit}, in pieces of ${step}`)
      }
    }
  })

  it('frame: after a fault: silence, whatever follows', () => {
    const [one, two] = frames(2) as [Buffer, Buffer]
    const { reader, messages } = collect()
    const damaged = Buffer.from(one)
    damaged[damaged.length - 1]! ^= 1
    reader.push(Buffer.concat([damaged, two]))
    reader.push(two)
    expect(messages).toEqual([])
    expect(reader.fault).toBe('a frame fails its checksum')
  })

  it('frame: stop inside a sink: no further message of the frame', () => {
    const seen: number[] = []
    const reader = new FrameReader(MIB, (type) => {
      seen.push(type)
      reader.stop()
    })
    reader.push(frameOf({ type: 1, body: Buffer.alloc(0) }, { type: 2, body: Buffer.alloc(0) }))
    expect(seen).toEqual([1])
  })

  it.each<[string, number[], number[]]>([
    ['repeated', [0, 0, 1, 1, 1, 2], [0, 1, 2]],
    ['overtaken', [0, 2, 1, 3], [0, 2, 3]],
    ['an old one much later', [0, 1, 2, 3, 0], [0, 1, 2, 3]],
    ['lost', [0, 3], [0, 3]],
  ])('frame: %s: acted on once at most, never backwards', (_what, order, expected) => {
    const all = frames(4)
    const { reader, messages } = collect()
    for (const i of order) reader.push(Buffer.from(all[i]!))
    expect(messages.map(({ type }) => type)).toEqual(expected)
    expect(reader.fault).toBeUndefined()
  })

  it('frame: the sequence wraps: frames go on, old ones stay dropped', () => {
    const writer = new FrameWriter()
    Object.assign(writer, { sequence: 0xfffffffd })
    const { reader, messages } = collect()
    Object.assign(reader, { sequence: 0xfffffffd })
    const sent = Array.from({ length: 5 }, (_, i) => {
      writer.write(i, Buffer.alloc(1))
      return Buffer.concat(writer.take())
    })
    for (const frame of sent) reader.push(frame)
    expect(sent.map((frame) => frame.readUInt32BE(4))).toEqual([0xfffffffe, 0xffffffff, 0, 1, 2])
    for (const frame of sent) reader.push(frame)
    expect(messages.map(({ type }) => type)).toEqual([0, 1, 2, 3, 4])
  })

  it.each([0x7fffffff, 0xffffffff, 16 * 1024 + 1])(
    'frame: a length of %d over the limit: refused from the header, nothing allocated',
    (length) => {
      for (const step of [12, 1]) {
        const header = Buffer.alloc(FRAME_HEADER_BYTES)
        header.writeUInt32BE(length, 0)
        const { reader } = collect(16 * 1024)
        for (let at = 0; at < header.length; at += step) reader.push(header.subarray(at, at + step))
        expect(reader.fault).toContain(`${length} bytes is over the limit of 16384`)
        expect(reader.heldBytes).toBe(0)
      }
    },
  )

  it('frame: a length declared and not sent: costs what was sent', () => {
    const header = Buffer.alloc(FRAME_HEADER_BYTES)
    header.writeUInt32BE(16 * MIB, 0)
    const { reader } = collect()
    reader.push(header)
    expect(reader.heldBytes).toBeLessThan(1024)
    for (let i = 0; i < 100; i += 1) reader.push(Buffer.alloc(100))
    expect(reader.heldBytes).toBeLessThan(3 * (12 + 100 * 100))
    expect(reader.assembling).toBe(true)
  })

  it('frame: empty frames: no message, and the stream goes on', () => {
    const writer = new FrameWriter()
    const empty = Buffer.alloc(12)
    empty.writeUInt32BE(1, 4)
    empty.writeUInt32BE(1, 8)
    Object.assign(writer, { sequence: 1 })
    writer.write(9, Buffer.from('x'))
    const stream = Buffer.concat([empty, ...writer.take()])
    for (const step of [1, 5, 12, 13, 100]) {
      const { reader, messages } = collect()
      for (let at = 0; at < stream.length; at += step) reader.push(stream.subarray(at, at + step))
      expect(messages.map(({ type }) => type)).toEqual([9])
    }
  })

  it.each([
    ['longer than its frame', 100],
    ['of 2^32 - 1 bytes', 0xffffffff],
  ])('frame: a message %s: a fault', (_what, length) => {
    const writer = new FrameWriter()
    writer.write(1, Buffer.from('fine'))
    writer.write(2, Buffer.from('liar'))
    // Before the frame is sealed, so that its checksum is right.
    writer.buffer.writeUInt32BE(length, FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + 4)
    const { reader, messages } = collect()
    reader.push(Buffer.concat(writer.take()))
    expect(messages.map(({ type }) => type)).toEqual([1])
    expect(reader.fault).toBe('a message is longer than its frame')
  })

  it('frame: random bytes: never a throw, never a message (seed 42)', () => {
    const random = new SeededRandom(42)
    for (let i = 0; i < 3_000; i += 1) {
      const { reader, messages } = collect(64 * 1024)
      for (let j = 0; j < 5; j += 1) {
        const bytes = random.bytes(random.below(60))
        if (bytes.length > 4 && random.chance(0.7)) bytes.writeUInt32BE(random.below(40), 0)
        reader.push(bytes)
      }
      check(messages.length === 0 && reader.heldBytes < 128 * 1024, () => `round ${i}`)
    }
  })
})
