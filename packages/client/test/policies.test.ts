import { CassioError, ERROR_CODES, type ErrorCode } from '@cassiopeia/protocol'
import { decodeTextKey, encodeKey, encodePrefix } from '../src/keys'
import {
  actionAfter,
  attemptLife,
  backoffLength,
  hedgeDelay,
  pauseLength,
  RetryBudget,
  usualLatency,
} from '../src/retry-policy'
import { chooseNode, Reluctance, type Routable } from '../src/routing-policy'

interface TestNode extends Routable {
  readonly name: string
}

function node(name: string, change: Partial<Record<keyof Routable, unknown>> = {}): TestNode {
  return {
    name,
    isReady: true,
    inFlight: 0,
    isResponsive: () => true,
    hasRoomFor: () => true,
    ...change,
  } as TestNode
}

const silent = { isResponsive: () => false }

describe('routing policy', () => {
  const request = (reluctances: Record<string, Reluctance> = {}) => ({
    bytes: 100,
    reluctance: ({ name }: TestNode) => reluctances[name] ?? Reluctance.none,
  })
  const choose = (
    replicas: TestNode[],
    others: TestNode[],
    reluctances: Record<string, Reluctance> = {},
    turn = 0,
  ) => chooseNode(replicas, [...replicas, ...others], request(reluctances), turn, 0)?.name

  it.each<[string, TestNode[], TestNode[], Record<string, Reluctance>, string | undefined]>([
    ['nobody', [], [], {}, undefined],
    ['nobody ready', [node('a', { isReady: false })], [], {}, undefined],
    ['no room', [node('a', { hasRoomFor: () => false })], [node('b')], {}, 'b'],
    ['the least loaded', [node('a', { inFlight: 2 }), node('b', { inFlight: 1 })], [], {}, 'b'],
    ['a busy replica before an idle stranger', [node('a', { inFlight: 9 })], [node('b')], {}, 'a'],
    ['a stranger before a silent replica', [node('a', silent)], [node('b')], {}, 'b'],
    ['a silent replica before nothing', [node('a', silent)], [node('b', silent)], {}, 'a'],
    ['a fresh stranger before one that failed', [node('a')], [node('b')], { a: 1 }, 'b'],
    ['one that failed before a silent one', [node('a'), node('b', silent)], [], { a: 1 }, 'a'],
    ['one that failed before nothing', [node('a')], [], { a: 1 }, 'a'],
    ['never one that refused', [node('a')], [], { a: 2 }, undefined],
    ['never one that refused, a stranger', [node('a')], [node('b')], { a: 2, b: 2 }, undefined],
  ])('routing policy: %s', (_, replicas, others, reluctances, expected) => {
    expect(choose(replicas, others, reluctances)).toBe(expected)
  })

  it('routing policy: equally good nodes: take turns', () => {
    const nodes = [node('a'), node('b'), node('c')]
    const chosen = [0, 1, 2, 3, 65_535].map((turn) => choose(nodes, [], {}, turn))
    expect(chosen).toEqual(['a', 'b', 'c', 'a', 'a'])
  })
})

describe('retry policy', () => {
  it.each<[ErrorCode, string]>([
    ['CASSIO_UNAVAILABLE', 'askAnother'],
    ['CASSIO_STAMP_AHEAD', 'askAnother'],
    ['CASSIO_OVERLOADED', 'pauseIfBudget'],
    ['CASSIO_CLOSED', 'pause'],
    ['CASSIO_TIMEOUT', 'repeat'],
    ['CASSIO_STALE_MAP', 'refreshMap'],
  ])('retry policy: after %s: %s', (code, action) => {
    expect(actionAfter(code)).toBe(action)
  })

  it('retry policy: every other code: fails at once', () => {
    const codes = Object.keys(ERROR_CODES) as ErrorCode[]
    expect(codes.filter((code) => actionAfter(code) === 'fail')).toHaveLength(codes.length - 6)
  })

  it.each([
    // left, attemptTimeoutMs, usual latency, earlier attempts, life
    [5_000, 250, 0, 0, 250],
    [5_000, 250, 5, 0, 250],
    [5_000, 250, 100, 0, 1_000],
    [5_000, 250, 0, 1, 500],
    [5_000, 250, 0, 3, 2_000],
    [5_000, 250, 0, 5, 5_000],
    [280, 250, 0, 0, 280],
    [290, 250, 0, 0, 250],
    [100, 250, 0, 0, 100],
  ])(
    'retry policy: %i ms left, at least %i, usual %i, %i before: lives %i ms',
    (left, at, u, n, life) => {
      expect(attemptLife(left, at, u, n)).toBe(life)
    },
  )

  it('retry policy: hedge delay: at least what was asked, else four usual latencies', () => {
    expect(hedgeDelay(50, 0)).toBe(50)
    expect(hedgeDelay(50, 12)).toBe(50)
    expect(hedgeDelay(50, 100)).toBe(400)
  })

  it('retry policy: usual latency: the first one, then an eighth of the difference', () => {
    expect(usualLatency(0, 80)).toBe(80)
    expect(usualLatency(80, 160)).toBe(90)
  })

  it('retry policy: pauses and back-off: double to a limit, jitter in the upper half', () => {
    expect([0, 1, 2, 20].map((round) => pauseLength(round, 0))).toEqual([5, 10, 20, 250])
    expect(pauseLength(1, 0.5)).toBe(15)
    expect([1, 2, 3, 50].map((n) => backoffLength(n, 50, 2_000, 0))).toEqual([25, 50, 100, 1_000])
    expect(backoffLength(1, 50, 2_000, 0.5)).toBe(37.5)
  })

  it('retry policy: the budget: its burst, then a tenth of the calls', () => {
    const budget = new RetryBudget()
    let spent = 0
    while (budget.spend()) spent += 1
    expect(spent).toBe(100)
    for (let i = 0; i < 1_000; i += 1) budget.earn()
    while (budget.spend()) spent += 1
    expect(spent).toBeGreaterThanOrEqual(199)
    expect(spent).toBeLessThanOrEqual(200)
    for (let i = 0; i < 10_000; i += 1) budget.earn()
    spent = 0
    while (budget.spend()) spent += 1
    expect(spent).toBe(100)
  })
})

describe('keys', () => {
  it('keys: text and bytes: as UTF-8, copied', () => {
    expect(encodeKey('ż')).toEqual(Buffer.from([0xc5, 0xbc]))
    const bytes = Buffer.from([1, 2])
    const key = encodeKey(bytes)
    bytes.fill(0)
    expect(key).toEqual(Buffer.from([1, 2]))
    expect(encodeKey('k'.repeat(65_535))).toHaveLength(65_535)
  })

  it.each(['', 'k'.repeat(65_536), 'ż'.repeat(32_768)])(
    'keys: of a wrong length: refused',
    (key) => {
      expect(() => encodeKey(key)).toThrow(CassioError)
    },
  )

  it('keys: a prefix: may be empty', () => {
    expect(encodePrefix('')).toHaveLength(0)
    expect(() => encodePrefix('k'.repeat(65_536))).toThrow(CassioError)
  })

  it('keys: bytes that are no UTF-8: no text', () => {
    expect(decodeTextKey(Buffer.from('\ufffd'))).toBe('\ufffd')
    expect(() => decodeTextKey(Buffer.from([0xff]))).toThrow('no UTF-8')
  })
})
