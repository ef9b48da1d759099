import { CassioError, type MemberStatus, type PurgeState } from '@cassiopeia/protocol'
import { errorToJson, renderError } from '../../src/render/error'
import { renderExplanation } from '../../src/render/explain'
import { wrap } from '../../src/render/help'
import { renderStatus } from '../../src/render/status'
import { ansiStyle, plainStyle, styleFor } from '../../src/render/style'
import { renderTable } from '../../src/render/table'
import { renderLocation } from '../../src/render/where'
import { ShellSyntaxError } from '../../src/shell/parse'
import { explanation, load, location, member, nodeStatus } from '../samples'

describe('render table', () => {
  test('columns: are aligned, two blanks apart, without blanks at the end', () => {
    const columns = [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'X' }] as const
    const rows = [
      ['a', '1', ''],
      ['鍵', '100', 'y'],
    ]
    expect(renderTable(columns, rows, plainStyle)).toBe(
      ['NAME    N  X', 'a       1', '鍵    100  y'].join('\n'),
    )
  })

  test('colours: do not disturb the columns', () => {
    const columns = [{ title: 'A' }, { title: 'B' }]
    const text = renderTable(columns, [[ansiStyle.green('x'), 'y']], ansiStyle)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
    expect(text.replace(/\u001b\[\d+m/g, '')).toBe('A  B\nx  y')
  })
})

describe('render status', () => {
  test('a cluster: one line of it, a table of members', () => {
    expect(renderStatus(nodeStatus(), false, plainStyle)).toBe(
      [
        'cluster feedbeef  epoch 1  RF 3  4096 partitions  3 members',
        '',
        'ADDRESS           ID        RACK   STATE                      PHI  HEARTBEAT  KEYS    BYTES  PARTITIONS  VERIFIED  LATENCY',
        '127.0.0.1:9000 *  00000000  rack1  alive                      0.0      3:120    12  1.5 KiB        4096   12s ago        -',
        '127.0.0.1:9001    00000001  rack1  alive                      0.3      3:120    12  1.5 KiB        4096   12s ago    0.3ms',
        '127.0.0.1:9002    00000002  rack1  suspected, no connection  12.0      3:120     -        -        4096         -    0.3ms',
        '* the node that answered',
        '',
        'longest unverified partition: verified 12s ago, led by 127.0.0.1:9000',
      ].join('\n'),
    )
  })

  test('hints: have a column when somebody keeps some', () => {
    expect(renderStatus(nodeStatus(), false, plainStyle)).not.toContain('HINTS')
    const members = [member(0, { load: load({ hintBytes: 1536 }) }), member(1)]
    const lines = renderStatus(nodeStatus({ members }), false, plainStyle).split('\n')
    expect(lines[2]).toContain('BYTES    HINTS  PARTITIONS')
    expect(lines[3]).toContain('1.5 KiB  1.5 KiB        4096')
    expect(lines[4]).toContain('1.5 KiB        -        4096')
  })

  test.each<[string, Partial<MemberStatus>[], RegExp]>([
    [
      'the longest of all',
      [{ load: load() }, { load: load({ unverifiedMs: 65_999 }) }, { load: load() }],
      /partition: verified 1m 5s ago, led by 127\.0\.0\.1:9001$/,
    ],
    [
      'never is longest',
      [
        { load: load({ unverifiedMs: 1e9 }) },
        { load: load() },
        { load: load({ unverifiedMs: -1 }) },
      ],
      /partition: never verified, led by 127\.0\.0\.1:9002$/,
    ],
    [
      'less than a second',
      [{ load: load({ unverifiedMs: 0 }) }],
      /partition: verified just now, led by 127\.0\.0\.1:9000$/,
    ],
    [
      'one that is down leads nothing any more',
      [{ load: load() }, { load: load({ unverifiedMs: -1 }), state: 'suspected' }],
      /partition: verified 12s ago, led by 127\.0\.0\.1:9000$/,
    ],
    ['nothing known', [{ load: null }], /the node that answered$/],
  ])('unverified: %s', (_, changes, end) => {
    const members = changes.map((each, n) => member(n, each))
    expect(renderStatus(nodeStatus({ members }), false, plainStyle)).toMatch(end)
  })

  test('verbose: hints and repairs of the node that answers', () => {
    const busy = nodeStatus({
      hints: {
        bytes: 3072,
        oldestMs: 65_000,
        peers: [1, 2].map((n) => ({ address: `127.0.0.1:900${n}`, bytes: 1024 * n })),
      },
      repair: {
        enabled: false,
        leads: 10,
        unverifiedMs: -1,
        neverVerified: 4,
        marked: 3,
        blocked: 2,
        active: true,
      },
    })
    const text = renderStatus(busy, true, plainStyle)
    expect(text).toContain(
      'hints kept: 1 KiB for 127.0.0.1:9001, 2 KiB for 127.0.0.1:9002; the oldest for 1m 5s\n' +
        'leads the repair of 10 partitions, 4 never verified, 3 marked as lacking something, ' +
        '2 blocked by a replica, comparing now, does so only when told (--anti-entropy false)',
    )
    expect(renderStatus(nodeStatus(), true, plainStyle)).toContain(
      'no hints kept\nleads the repair of 1365 partitions\n',
    )
  })

  test('several datacenters: have a column', () => {
    const members = [member(0), member(1, { datacenter: 'dc2' })]
    const text = renderStatus(nodeStatus({ members }), false, plainStyle)
    expect(text).toContain('DATACENTER')
    expect(text).toContain('dc2')
  })

  test('verbose: whole ids, the node itself, its counters', () => {
    const text = renderStatus(nodeStatus(), true, plainStyle)
    expect(text).toContain('00000001-aaaa-4bbb-8ccc-dddddddddddd')
    expect(text).toContain('up 1m 5s')
    expect(text).toContain('1 clients, 2 operations in flight')
    expect(text).toMatch(/reads +10\nwrites +20/)
  })

  test('not formed: says for whom it waits', () => {
    const status = nodeStatus({ clusterId: '', missing: ['127.0.0.1:9002'], members: [] })
    expect(renderStatus(status, false, plainStyle)).toBe(
      'not formed yet; 127.0.0.1:9000 waits for 127.0.0.1:9002',
    )
    const all = nodeStatus({ clusterId: '', members: [] })
    expect(renderStatus(all, false, plainStyle)).toContain('waits for the others to agree')
  })
})

describe('render where', () => {
  test('a key: hash, ten coordinates, partition, replicas', () => {
    expect(renderLocation('"ryan"', location(), plainStyle)).toBe(
      [
        '"ryan"',
        'hash       0000000000abc',
        'vector     +0.5000 -0.2500 +0.1250 -1.0000 +0.0000',
        '           +0.1000 +0.2000 +0.3000 +0.4000 -1.0000',
        'partition  77  epoch 1',
        '',
        'REPLICA         ID        DATACENTER  RACK',
        '127.0.0.1:9000  00000000  dc1         rack1',
        '127.0.0.1:9001  00000001  dc1         rack1',
      ].join('\n'),
    )
  })
})

describe('render explanation', () => {
  test('a ballot: each vote, the winner, the rule', () => {
    expect(renderExplanation('"ryan"', explanation(), plainStyle)).toBe(
      [
        '"ryan"  partition 77  epoch 1  asked through 127.0.0.1:9000 at 2023-11-14T22:13:21.000Z',
        '',
        'REPLICA         ID        STATE      VERDICT  STAMP                             VALUE  EXPIRES  LATENCY  PROVEN UP TO',
        '127.0.0.1:9000  00000000  value      newest   1700000000000-7-0123456789abcdef    5 B        -    0.2ms  2023-11-14T22:13:10.000Z',
        '127.0.0.1:9001  00000001  tombstone  stale    1699999999000-0-0123456789abcdef      -        -    0.2ms  2023-11-14T22:13:10.000Z',
        '127.0.0.1:9002  00000002  silent     silent   -                                     -        -        -  -',
        '',
        'outcome  a value, stamp 1700000000000-7-0123456789abcdef (2023-11-14T22:13:20.000Z)',
        'rule     the newest stamp wins',
      ].join('\n'),
    )
  })

  const purgeLines = (purge: PurgeState) =>
    renderExplanation('k', explanation({ outcome: 'tombstone', purge }), plainStyle)
      .split('\n')
      .slice(-4)

  test('a tombstone that all have: may be forgotten', () => {
    const purge = { state: 'proven', leader: 'n1:9000', verifiedMs: 65_000, blockers: [] } as const
    expect(purgeLines(purge).slice(2)).toEqual([
      'purge    every replica has it; it may be forgotten',
      '         n1:9000 found all replicas equal 1m 5s ago',
    ])
  })

  test('a tombstone that somebody may lack: who blocks it, and why', () => {
    const blockers = [
      { node: 'n2:9000', reason: 'no answer' },
      { node: 'n3:9000', reason: 'a damaged block lies in the partition' },
    ]
    const purge = { state: 'waiting', leader: 'n1:9000', verifiedMs: -1, blockers } as const
    expect(purgeLines(purge)).toEqual([
      'purge    it must be kept until all replicas are known to have it',
      '         n1:9000 has not found all replicas equal yet',
      '         blocked by n2:9000: no answer',
      '         blocked by n3:9000: a damaged block lies in the partition',
    ])
  })

  test('expiry: is shown as time left or gone', () => {
    const [vote] = explanation().votes
    const at = (expiryMs: number) => {
      const votes = [{ ...vote!, expiryMs }]
      return renderExplanation('k', explanation({ votes }), plainStyle)
    }
    expect(at(1_700_000_061_000)).toContain('in 1m')
    expect(at(1_700_000_000_000)).toContain('1s ago')
  })

  test('nothing there: has no winner', () => {
    const text = renderExplanation('k', explanation({ outcome: 'none', winner: null }), plainStyle)
    expect(text).toContain('outcome  never written, or forgotten\n')
  })
})

describe('render error', () => {
  test('a write that may have been applied: says how to repeat it', () => {
    const error = new CassioError('CASSIO_TIMEOUT', '1 of 2 acked', {
      applied: 'unknown',
      stamp: '5-0-aa',
    })
    expect(renderError(error, plainStyle)).toContain(
      'the write may have been applied: repeat it with --timestamp 5-0-aa,',
    )
    const without = new CassioError('CASSIO_ABORTED', 'stopped', { applied: 'unknown' })
    expect(renderError(without, plainStyle)).toContain('read the key to see')
  })

  test.each<[unknown, string]>([
    [new TypeError('the key must be a string'), 'error CASSIO_INVALID: the key must be a string'],
    [new RangeError('too long'), 'error CASSIO_INVALID: too long'],
    [new ShellSyntaxError('a quote is not closed', 3), 'error CASSIO_INVALID: a quote'],
    [Object.assign(new Error('disk full'), { syscall: 'write' }), 'error CASSIO_STORAGE: disk'],
    [new Error('what is this'), 'error CASSIO_INTERNAL: what is this'],
    ['text', 'error CASSIO_INTERNAL: text'],
  ])('%p: has a code', (thrown, text) => {
    expect(renderError(thrown, plainStyle)).toContain(text)
  })

  test('as JSON: one line with code, message and advice', () => {
    const text = errorToJson(new CassioError('CASSIO_CONNECTION', 'nobody\nthere'))
    expect(text).not.toContain('\n')
    expect(JSON.parse(text)).toEqual({
      error: {
        code: 'CASSIO_CONNECTION',
        message: 'nobody\nthere',
        applied: 'none',
        advice: expect.stringContaining('check the addresses'),
      },
    })
  })
})

describe('render style', () => {
  test.each<[boolean, Record<string, string>, boolean]>([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
  ])('terminal %p with %p: colours %p', (isTTY, environment, coloured) => {
    expect(styleFor({ isTTY }, environment).red('x') !== 'x').toBe(coloured)
  })
})

describe('render help: wrap', () => {
  test('lines: are no longer than asked, words stay whole', () => {
    expect(wrap('aa bb cc', 5)).toEqual(['aa bb', 'cc'])
    expect(wrap('aaaaaaaa b', 5)).toEqual(['aaaaaaaa', 'b'])
    expect(wrap('', 5)).toEqual([''])
  })
})
