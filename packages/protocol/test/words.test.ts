import {
  CassioError,
  CONSISTENCY_LEVELS,
  ConsistencyLevel,
  consistencyName,
  decodeFault,
  ERROR_CODES,
  type ErrorCode,
  encodeFault,
  errorFromWire,
  errorToWire,
  formatAddress,
  isConsistencyCode,
  isErrorCode,
  pack,
  parseAddress,
  parseConsistencyLevel,
  quorum,
  RemoteClock,
  requiredReplicas,
  unpack,
} from '../src'

describe('errors', () => {
  it('errors: across the wire: everything that they carry survives', () => {
    const error = new CassioError('CASSIO_TIMEOUT', '1 of 2', {
      applied: 'unknown',
      received: 1,
      required: 2,
      stamp: '1-0-0000000000000000',
      causes: [{ node: 'a:1', code: 'CASSIO_CONNECTION', message: 'refused' }],
    })
    const back = errorFromWire(unpack(pack(errorToWire(error))))
    expect(back).toBeInstanceOf(CassioError)
    expect(errorToWire(back)).toEqual(errorToWire(error))
    const fault = decodeFault(encodeFault(7, error))
    expect([fault.message, fault.advice]).toEqual(['1 of 2', ERROR_CODES.CASSIO_TIMEOUT])
  })

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('errors: %s: survives bare', (code) => {
    const back = errorFromWire(errorToWire(new CassioError(code, 'm')))
    expect([back.code, back.applied, back.received, back.causes]).toEqual([
      code,
      'none',
      undefined,
      [],
    ])
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'CASSIO_TIMEOUT'],
    ['no code', { message: 'm' }],
    ['an unknown code', { code: 'CASSIO_NEW', message: 'm' }],
    ['the name of an object method', { code: 'toString', message: 'm' }],
    ['no message', { code: 'CASSIO_TIMEOUT' }],
  ])('errors: %s from the wire: CASSIO_PROTOCOL', (_what, wire) => {
    expect(errorFromWire(wire).code).toBe('CASSIO_PROTOCOL')
  })

  it('errors: malformed details from the wire: left out', () => {
    const good = { node: 'a', code: 'CASSIO_FAILED', message: 'm' }
    const causes = [null, 5, { node: 'a' }, { ...good, node: 5 }, { ...good, code: 'x' }, good]
    const wire = { code: 'CASSIO_FAILED', message: 'm', applied: 'maybe', received: '1', causes }
    const error = errorFromWire(wire)
    expect(error.causes).toEqual([good])
    expect([error.applied, error.received]).toEqual(['none', undefined])
  })

  it('errors: isErrorCode: own codes only', () => {
    expect([isErrorCode('CASSIO_CONFIG'), isErrorCode('constructor'), isErrorCode(5)]).toEqual([
      true,
      false,
      false,
    ])
  })

  it.each(Object.entries(ERROR_CODES))('errors: %s: its advice is a sentence', (_code, advice) => {
    expect(advice).toMatch(/^[A-Z].{20,}\.$/)
  })
})

describe('consistency level', () => {
  it.each([
    [1, [1, 2, 3, 1, 1]],
    [2, [1, 2, 3, 2, 2]],
    [3, [1, 2, 3, 2, 3]],
    [4, [1, 2, 3, 3, 4]],
    [5, [1, 2, 3, 3, 5]],
  ])('consistency level: replicas required (RF=%d): %j', (replicationFactor, expected) => {
    const codes = CONSISTENCY_LEVELS.map((name) => ConsistencyLevel[name])
    expect(codes.map((code) => requiredReplicas(code, replicationFactor))).toEqual(expected)
    expect(quorum(replicationFactor) * 2).toBeGreaterThan(replicationFactor)
  })

  it('consistency level: names and codes: both ways, in any case', () => {
    for (const name of CONSISTENCY_LEVELS) {
      expect(parseConsistencyLevel(name.toLowerCase())).toBe(name)
      expect(consistencyName(ConsistencyLevel[name])).toBe(name)
    }
    for (const code of [0, 6, 255, Number.NaN]) expect(isConsistencyCode(code)).toBe(false)
    for (const text of ['', 'MOST', 'toString', 'QUORUM ']) {
      expect(() => parseConsistencyLevel(text)).toThrow(/levels: ONE, TWO, THREE, QUORUM, ALL/)
    }
  })
})

describe('address', () => {
  it.each([
    ['127.0.0.1:9000', '127.0.0.1', 9000],
    ['localhost:1', 'localhost', 1],
    ['[::1]:9000', '::1', 9000],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65_535],
    ['[::ffff:127.0.0.1]:80', '::ffff:127.0.0.1', 80],
    ['db-1.example.org:9042', 'db-1.example.org', 9042],
  ])('address: %s: parsed, and formatted the same', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port })
    expect(parseAddress(` ${text}\n`)).toEqual({ host, port })
    expect(formatAddress(parseAddress(text))).toBe(text)
  })

  it.each([
    '',
    'host',
    ':9000',
    'host:',
    'host:x',
    'host:65536',
    'host:-1',
    'host:1.5',
    'host:123456',
    '::1:9000',
    '[::1]',
    '[host]:1',
    '[]:1',
    'a b:1',
    'http://a:1',
    'a:1:2',
  ])('address: %j: refused with an example', (text) => {
    expect(() => parseAddress(text)).toThrow(/expected HOST:PORT, such as 127.0.0.1:9000/)
  })
})

describe('remote clock', () => {
  it('remote clock: after a reading: goes on with the local clock, from there', () => {
    const clock = new RemoteClock()
    clock.observe(1_000, 50)
    expect([clock.at(50), clock.at(70)]).toEqual([1_000, 1_020])
    clock.observe(5_000, 100)
    expect(clock.at(99)).toBe(4_999)
  })
})
