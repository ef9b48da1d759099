import { CassioError } from '@cassiopeia/protocol'
import { errorToJson, renderError } from '../../src/render/error'
import { renderExplanation } from '../../src/render/explain'
import { wrap } from '../../src/render/help'
import { renderStatus } from '../../src/render/status'
import { ansiStyle, plainStyle, styleFor } from '../../src/render/style'
import { renderTable } from '../../src/render/table'
import { renderLocation } from '../../src/render/where'
import { ShellSyntaxError } from '../../src/shell/parse'
import { explanation, location, member, nodeStatus } from '../samples'

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
        'ADDRESS           ID        RACK   STATE                      PHI  HEARTBEAT  KEYS    BYTES  PARTITIONS  LATENCY',
        '127.0.0.1:9000 *  00000000  rack1  alive                      0.0      3:120    12  1.5 KiB        4096        -',
        '127.0.0.1:9001    00000001  rack1  alive                      0.3      3:120    12  1.5 KiB        4096    0.3ms',
        '127.0.0.1:9002    00000002  rack1  suspected, no connection  12.0      3:120     -        -        4096    0.3ms',
        '* the node that answered',
      ].join('\n'),
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
        'REPLICA         ID        STATE      VERDICT  STAMP                             VALUE  EXPIRES  LATENCY',
        '127.0.0.1:9000  00000000  value      newest   1700000000000-7-0123456789abcdef    5 B        -    0.2ms',
        '127.0.0.1:9001  00000001  tombstone  stale    1699999999000-0-0123456789abcdef      -        -    0.2ms',
        '127.0.0.1:9002  00000002  silent     silent   -                                     -        -        -',
        '',
        'outcome  a value, stamp 1700000000000-7-0123456789abcdef (2023-11-14T22:13:20.000Z)',
        'rule     the newest stamp wins',
      ].join('\n'),
    )
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
