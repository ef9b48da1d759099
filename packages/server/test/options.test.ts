import { CassioError } from '@cassiopeia/protocol'
import { NODE_OPTIONS } from '../src'
import { type NodeOptions, parseNodeOptions } from '../src/options'

const OPTIONS: NodeOptions = {
  listen: '127.0.0.1:9000',
  members: ['127.0.0.1:9002', '127.0.0.1:9000', '127.0.0.1:9001'],
  dataDirectory: '/data',
}

function violations(changes: object): string {
  try {
    parseNodeOptions({ ...OPTIONS, ...changes })
  } catch (error) {
    expect(error).toBeInstanceOf(CassioError)
    expect((error as CassioError).code).toBe('CASSIO_CONFIG')
    return (error as CassioError).message
  }
  return ''
}

describe('node options', () => {
  it('node options: the least: defaults, members sorted, its own address advertised', () => {
    const settings = parseNodeOptions(OPTIONS)
    expect(settings).toMatchObject({
      advertise: '127.0.0.1:9000',
      members: ['127.0.0.1:9000', '127.0.0.1:9001', '127.0.0.1:9002'],
      replicationFactor: 3,
      partitionBits: 12,
      sync: 'group',
      secret: undefined,
    })
  })

  it('node options: everything wrong at once: one error names all of it', () => {
    const message = violations({
      listen: 'nowhere',
      members: ['127.0.0.1:1', '127.0.0.1:1', 'bad'],
      advertise: '127.0.0.1:5',
      dataDirectory: '',
      replicationFactor: 0,
      partitionBits: 9,
      sync: 'sometimes',
      weight: 1.5,
      hedgeMinMs: 50,
      hedgeMaxMs: 20,
      backoffMinMs: 9,
      backoffMaxMs: 8,
      onFatal: 'x',
      colour: 'red',
    })
    for (const part of [
      'listen: not an address: "nowhere"',
      'members: not an address: "bad"',
      "does not name this node's own address 127.0.0.1:5",
      'dataDirectory must be a non-empty text',
      'replicationFactor must be an integer from 1',
      'partitionBits must be an integer from 10 to 20, not 9',
      'sync must be one of group, periodic, none, not sometimes',
      'weight must be an integer',
      'hedgeMinMs is above hedgeMaxMs',
      'backoffMinMs is above backoffMaxMs',
      'onFatal must be a function',
      'colour is not an option of a node',
    ]) {
      expect(message).toContain(part)
    }
  })

  it.each([
    [
      'members named twice',
      { members: ['127.0.0.1:9000', '127.0.0.1:9000'] },
      /names an address twice/,
    ],
    [
      'members without itself',
      { members: ['127.0.0.1:1'] },
      /does not name this node's own address/,
    ],
    ['members that are text', { members: '127.0.0.1:9000' }, /members must be a list/],
    ['more replicas than members', { replicationFactor: 4 }, /replicationFactor 4 needs as many/],
    ['no listen', { listen: undefined }, /listen must be a non-empty text/],
    ['output for less than one value', { outputMaxBytes: 2048 }, /outputMaxBytes must be at least/],
  ])('node options: %s: refused in words', (_what, changes, expected) => {
    expect(violations(changes)).toMatch(expected)
  })

  it.each([
    ['127.0.0.1', true],
    ['127.5.5.5', true],
    ['localhost', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['[::]', false],
    ['10.0.0.1', false],
    ['db.example.org', false],
    ['[::ffff:10.0.0.1]', false],
    ['127.0.0.1.example.org', false],
    ['localhost.example.org', false],
  ])('node options: listening on %s without a secret: allowed is %s', (host, allowed) => {
    const listen = `${host}:9000`
    const message = violations({ listen, members: [listen] })
    expect(message === '').toBe(allowed)
    if (!allowed) expect(message).toMatch(/beyond loopback, needs a secret: without one anybody/)
    expect(violations({ listen, members: [listen], secret: 's' })).toBe('')
  })

  it('node options: few members: as many replicas, unless told otherwise', () => {
    const members = ['127.0.0.1:9000', '127.0.0.1:9001']
    expect(parseNodeOptions({ ...OPTIONS, members }).replicationFactor).toBe(2)
    expect(parseNodeOptions({ ...OPTIONS, members, replicationFactor: 1 }).replicationFactor).toBe(
      1,
    )
  })

  it('node options: the table: every row says what it is for', () => {
    for (const row of Object.values(NODE_OPTIONS)) expect(row.doc).toMatch(/^[A-Z].*\.$/)
  })
})
