import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OptionTable } from '@cassiopeia/protocol'
import type { NodeOptions } from '@cassiopeia/server'
import { readConnectFlags } from '../../src/commands/connect'
import {
  attributeName,
  environmentName,
  nodeFlags,
  readNodeFlags,
} from '../../src/commands/node-flags'
import { readSecret } from '../../src/commands/secret'

/** A few rows of each type, as in the server's table. */
const TABLE = {
  listen: { type: 'text', doc: 'Where to listen.' },
  members: { type: 'texts', doc: 'The members.' },
  dataDirectory: { type: 'text', doc: 'Where to keep data.' },
  advertise: { type: 'text', optional: true, doc: 'Where others dial.' },
  replicationFactor: { type: 'integer', default: 3, min: 1, max: 16, doc: 'Replicas.' },
  rack: { type: 'text', default: 'rack1', doc: 'Rack.' },
  secret: { type: 'text', optional: true, doc: 'Secret.' },
  sync: { type: 'choice', default: 'group', choices: ['group', 'none'], doc: 'When.' },
  antiEntropy: { type: 'flag', default: true, doc: 'By themselves.' },
  syncIntervalMs: { type: 'integer', default: 1000, min: 1, max: 5000, doc: 'How often.' },
  maxValueBytes: { type: 'integer', default: 1024, min: 1, max: 16_384, doc: 'Largest value.' },
  memoryBytesMax: { type: 'integer', default: 1024, min: 1, max: 16_384, doc: 'Memory.' },
  ports: { type: 'object', optional: true, doc: 'Ports.' },
  onFatal: { type: 'function', optional: true, doc: 'Fatal.' },
} as const
const FLAGS = nodeFlags(TABLE as unknown as OptionTable<NodeOptions>)
const NEEDED = { listen: '127.0.0.1:9000', members: '127.0.0.1:9000', data: 'd' }

describe('node flags', () => {
  test('the table: makes one flag a row, without code and the secret', () => {
    expect(FLAGS.map(({ name, value }) => `--${name} ${value}`)).toEqual([
      '--listen HOST:PORT',
      '--members HOST:PORT,...',
      '--data DIR',
      '--advertise HOST:PORT',
      '--rf N',
      '--rack TEXT',
      '--sync MODE',
      '--anti-entropy true|false',
      '--sync-interval-ms MS',
      '--max-value-bytes SIZE',
      '--memory-bytes-max SIZE',
    ])
  })

  test('summaries: tell ranges, choices and defaults', () => {
    const summary = (name: string) => FLAGS.find((flag) => flag.name === name)?.summary
    expect(summary('rf')).toBe('Replicas. 1 to 16, default 3.')
    expect(summary('max-value-bytes')).toBe('Largest value. 1B to 16KiB, default 1KiB.')
    expect(summary('sync')).toBe('When. One of group, none. Default group.')
    expect(summary('anti-entropy')).toBe('By themselves. Default true.')
    expect(summary('rack')).toBe('Rack. Default rack1.')
  })

  test('names: flag, environment and attribute follow from each other', () => {
    expect(environmentName('sync-interval-ms')).toBe('CASSIO_SYNC_INTERVAL_MS')
    expect(attributeName('sync-interval-ms')).toBe('syncIntervalMs')
  })

  test('texts: become options', () => {
    const texts = {
      listen: ' [::1]:9000 ',
      members: '[::1]:9000, 10.0.0.1:9000 ,',
      data: 'd',
      rf: '2',
      sync: 'none',
      maxValueBytes: '4KiB',
    }
    expect(readNodeFlags(FLAGS, texts)).toEqual({
      listen: '[::1]:9000',
      members: ['[::1]:9000', '10.0.0.1:9000'],
      dataDirectory: 'd',
      replicationFactor: 2,
      sync: 'none',
      maxValueBytes: 4096,
    })
  })

  test('all violations: are told together, by flag and variable', () => {
    const texts = { listen: 'nowhere', rf: '17', sync: 'often', maxValueBytes: 'big', data: 'd' }
    let message = ''
    try {
      readNodeFlags(FLAGS, texts)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toContain('--listen (or CASSIO_LISTEN): not an address')
    expect(message).toContain('--members (or CASSIO_MEMBERS) is needed')
    expect(message).toContain('--rf (or CASSIO_RF): expected 1 to 16, not 17')
    expect(message).toContain('--sync (or CASSIO_SYNC): expected group, none, not "often"')
    expect(message).toContain('--max-value-bytes (or CASSIO_MAX_VALUE_BYTES): not a size')
  })

  test.each(['1.5', '-1', '', '1e3', '0x10'])('%j: is no whole number', (rf) => {
    expect(() => readNodeFlags(FLAGS, { ...NEEDED, rf })).toThrow('expected a whole number')
  })
})

describe('connect flags', () => {
  test('nothing given: the local default', () => {
    expect(readConnectFlags({}, {})).toEqual({
      contactPoints: ['127.0.0.1:9000'],
      secret: undefined,
      consistency: undefined,
      timeoutMs: undefined,
    })
  })

  test('everything given: is read', () => {
    const flags = { contact: 'a:1, b:2', consistency: 'one', timeoutMs: '250' }
    expect(readConnectFlags(flags, { CASSIO_SECRET: 's' })).toEqual({
      contactPoints: ['a:1', 'b:2'],
      secret: 's',
      consistency: 'ONE',
      timeoutMs: 250,
    })
  })

  test.each<[object, RegExp]>([
    [{ contact: 'a' }, /--contact: not an address: "a"/],
    [{ contact: ' , ' }, /--contact/],
    [{ consistency: 'some' }, /--consistency: unknown/],
    [{ timeoutMs: '0' }, /--timeout-ms is a whole number from 1/],
  ])('%j: is refused with the reason', (flags, message) => {
    expect(() => readConnectFlags(flags, {})).toThrow(message)
  })
})

describe('secret', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cassio-secret-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('a file: goes before the environment, without the end of its line', () => {
    const path = join(directory, 'secret')
    writeFileSync(path, ' s3cret \n')
    expect(readSecret(path, { CASSIO_SECRET: 'other' })).toBe(' s3cret ')
    expect(readSecret(undefined, { CASSIO_SECRET: 'other' })).toBe('other')
    expect(readSecret(undefined, { CASSIO_SECRET: '' })).toBeUndefined()
    expect(readSecret(undefined, {})).toBeUndefined()
  })

  test('a file that is missing or empty: is an error, not no secret', () => {
    expect(() => readSecret(join(directory, 'none'), {})).toThrow(/cannot be read/)
    writeFileSync(join(directory, 'empty'), '\n')
    expect(() => readSecret(join(directory, 'empty'), {})).toThrow(/is empty/)
  })
})
