import {
  CassioError,
  type ClusterMap,
  decodeCall,
  decodeClusterMap,
  decodeFault,
  decodeGoodbye,
  decodeResult,
  encodeCall,
  encodeClusterMap,
  encodeFault,
  encodeResult,
  isRefusal,
  MessageType,
  type OptionTable,
  pack,
  parseOptionTable,
  ReplicaOutcome,
  VOTE_BYTES,
  votesAgree,
  writeCell,
  writeStamp,
  writeVote,
} from '../src'
import { check, SeededRandom } from './support'

const MAP: ClusterMap = {
  clusterId: 'c',
  epoch: 1,
  members: ['a', 'b'].map((id) => ({
    id,
    address: `${id}:1`,
    rack: 'r',
    datacenter: 'd',
    weight: 1,
    state: 'normal',
  })),
  replicationFactor: 2,
  partitionBits: 10,
  placement: Buffer.from('table'),
}

describe('control', () => {
  it('control: call, result, fault: across the wire', () => {
    const body = encodeCall(7, 1234.5, 'scan', { limit: 1, key: Buffer.from('k') })
    expect([body.readUInt32BE(0), body.readDoubleBE(4)]).toEqual([7, 1234.5])
    expect(decodeCall(body)).toEqual({
      method: 'scan',
      params: { limit: 1, key: Buffer.from('k') },
    })
    expect(decodeCall(encodeCall(0xffffffff, 0, 'map', undefined)).params).toBeNull()
    expect(decodeResult(encodeResult(1, { a: [1] }))).toEqual({ a: [1] })
    expect(decodeResult(encodeResult(1, undefined))).toBeNull()
    const fault = decodeFault(encodeFault(2, new CassioError('CASSIO_CLOSED', 'x')))
    expect(fault.code).toBe('CASSIO_CLOSED')
  })

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(12)],
    ['a number', Buffer.concat([Buffer.alloc(12), pack(5)])],
    ['null', Buffer.concat([Buffer.alloc(12), pack(null)])],
    ['no method', Buffer.concat([Buffer.alloc(12), pack({ params: 1 })])],
    ['a method that is no text', Buffer.concat([Buffer.alloc(12), pack({ method: 1 })])],
    ['damage', Buffer.concat([Buffer.alloc(12), Buffer.from([0xc1])])],
  ])('control: a call with %s: a RangeError', (_what, body) => {
    expect(() => decodeCall(body)).toThrow(RangeError)
  })

  it('control: damaged last words: an error that says so, never a throw (seed 71)', () => {
    const random = new SeededRandom(71)
    for (let i = 0; i < 2_000; i += 1) {
      const error = decodeGoodbye(random.bytes(random.below(30)))
      check(error.code === 'CASSIO_PROTOCOL', () => `round ${i}: ${error.code}`)
    }
  })

  it('messages: types and outcomes: numbers are unique, refusals are told apart', () => {
    for (const numbers of [Object.values(MessageType), Object.values(ReplicaOutcome)]) {
      expect(new Set(numbers).size).toBe(numbers.length)
    }
    const refusals = Object.entries(ReplicaOutcome).filter(([, outcome]) => isRefusal(outcome))
    expect(refusals.map(([name]) => name)).toEqual([
      'overloaded',
      'staleMap',
      'stampAhead',
      'expired',
      'invalid',
      'storage',
      'diskFull',
      'damaged',
      'fenced',
    ])
  })
})

describe('cluster map', () => {
  it('cluster map: encoded: comes back equal, with a Buffer for its table', () => {
    const back = decodeClusterMap(encodeClusterMap(MAP))
    expect(back).toEqual(MAP)
    expect(Buffer.isBuffer(back.placement)).toBe(true)
  })

  it.each<[string, object]>([
    ['clusterId', { clusterId: '' }],
    ['clusterId', { clusterId: 5 }],
    ['epoch', { epoch: 0 }],
    ['epoch', { epoch: 1.5 }],
    ['epoch', { epoch: 2 ** 53 }],
    ['members', { members: [] }],
    ['members', { members: { length: 1 } }],
    ["a member's id", { members: [null] }],
    ["a member's address", { members: [{ ...MAP.members[0], address: 5 }] }],
    ['not an address', { members: [{ ...MAP.members[0], address: 'here' }] }],
    ["a member's weight", { members: [{ ...MAP.members[0], weight: 65 }] }],
    ["a member's state", { members: [{ ...MAP.members[0], state: 'gone' }] }],
    ['replicationFactor', { replicationFactor: 0 }],
    ['partitionBits', { partitionBits: 21 }],
    ['placement', { placement: 'text' }],
  ])('cluster map: wrong %s: a RangeError that names it (%j)', (field, changes) => {
    const bytes = pack({ ...MAP, ...changes })
    expect(() => decodeClusterMap(bytes)).toThrow(RangeError)
    expect(() => decodeClusterMap(bytes)).toThrow(field)
  })

  it('cluster map: random damage: a map or a RangeError, nothing else (seed 72)', () => {
    const random = new SeededRandom(72)
    const whole = encodeClusterMap(MAP)
    let refused = 0
    for (let i = 0; i < 5_000; i += 1) {
      const bytes = Buffer.from(whole)
      for (let j = 0; j <= random.below(3); j += 1)
        bytes[random.below(bytes.length)] = random.below(256)
      try {
        decodeClusterMap(random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes)
      } catch (error) {
        check(error instanceof RangeError, () => `round ${i}: ${String(error)}`)
        refused += 1
      }
    }
    expect(refused).toBeGreaterThan(2_000)
  })
})

describe('vote', () => {
  function vote(
    changes: { ms?: number; value?: string; flags?: number; kind?: number } = {},
  ): Buffer {
    const { ms = 1, value = 'v', flags = 4, kind = 0 } = changes
    const cell = Buffer.alloc(200)
    writeCell(cell, 3, Buffer.from('key'), Buffer.from(value), flags, kind)
    writeStamp(cell, 3 + 8, ms, 0, Buffer.alloc(8))
    const bytes = Buffer.alloc(VOTE_BYTES + 2)
    writeVote(bytes, 2, cell, 3)
    return bytes
  }

  it.each([
    ['the same', {}, true],
    ['another stamp', { ms: 2 }, false],
    ['another value under one client stamp', { value: 'w' }, false],
    ['another kind', { kind: 1 }, false],
    ['a tombstone', { flags: 5, value: '' }, false],
  ])('vote: %s: whether they agree', (_what, changes, expected) => {
    expect(votesAgree(vote(), 2, vote(changes), 2)).toBe(expected)
    expect(votesAgree(vote(changes), 2, vote(), 2)).toBe(expected)
  })

  it('vote: a stamp of a coordinator: the value is not summed up', () => {
    expect(vote({ flags: 0 }).readUInt32BE(2 + 24)).toBe(0)
    expect(vote({ flags: 4 }).readUInt32BE(2 + 24)).not.toBe(0)
  })
})

describe('option table', () => {
  interface Options {
    text?: string
    maybe?: string
    list?: readonly string[]
    size?: number
    flag?: boolean
    choice?: string
    call?: () => void
    thing?: object
  }
  const TABLE: OptionTable<Options> = {
    text: { type: 'text', default: 'x', doc: '' },
    maybe: { type: 'text', optional: true, doc: '' },
    list: { type: 'texts', default: ['a'], doc: '' },
    size: { type: 'integer', default: 5, min: 0, max: 9, doc: '' },
    flag: { type: 'flag', default: true, doc: '' },
    choice: { type: 'choice', default: 'a', choices: ['a', 'b'], doc: '' },
    call: { type: 'function', optional: true, doc: '' },
    thing: { type: 'object', optional: true, doc: '' },
  }
  const parse = (options: object, check?: () => string[]) =>
    parseOptionTable<Options, Options>(TABLE, options, 'thing', check)

  it('option table: nothing given: the defaults', () => {
    expect(parse({})).toEqual({ text: 'x', list: ['a'], size: 5, flag: true, choice: 'a' })
  })

  it('option table: legal values that are falsy: kept', () => {
    expect(parse({ size: 0, flag: false })).toMatchObject({ size: 0, flag: false })
  })

  it('option table: everything wrong: every violation in one error', () => {
    const wrong = {
      text: '',
      maybe: 5,
      list: [],
      size: 10,
      flag: 'yes',
      choice: 'c',
      call: 1,
      thing: 'x',
      unknown: 1,
      toString: 1,
    }
    let message = ''
    try {
      parse(wrong, () => ['and the whole does not fit'])
    } catch (error) {
      expect(error).toMatchObject({ code: 'CASSIO_CONFIG' })
      message = (error as Error).message
    }
    for (const name of Object.keys(wrong)) expect(message).toContain(name)
    expect(message).toContain('size must be an integer from 0 to 9, not 10')
    expect(message).toContain('choice must be one of a, b, not c')
    expect(message).toContain('and the whole does not fit')
  })

  it.each([
    Number.NaN,
    1.5,
    Number.POSITIVE_INFINITY,
    -1,
    '5',
    5n,
    {},
    Object.create(null),
    Symbol('s'),
  ])('option table: an integer given as case %#: a violation, not a crash', (size) => {
    expect(() => parse({ size })).toThrow(/size must be an integer from 0 to 9/)
  })
})
