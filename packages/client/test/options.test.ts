import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CassioError } from '@cassiopeia/protocol'
import { CassioClient } from '../src'
import { CLIENT_OPTIONS, completeAddress, parseOptions } from '../src/options'

function configError(options: object): CassioError {
  try {
    new CassioClient(options)
  } catch (error) {
    if (error instanceof CassioError) return error
    throw error
  }
  throw new Error('the options were taken')
}

describe('client: options', () => {
  it('client: no options: the defaults', () => {
    expect(parseOptions({})).toMatchObject({
      contactPoints: ['127.0.0.1:9000'],
      readLevel: 4,
      writeLevel: 4,
      timeoutMs: 5_000,
      connectTimeoutMs: 5_000,
      hedgeAfterMs: 50,
      attemptTimeoutMs: 250,
      maxInFlight: 10_000,
      secret: undefined,
    })
  })

  it('client: several wrong options: one CASSIO_CONFIG that names each', () => {
    const error = configError({
      contactPoints: ['127.0.0.1:9000', 'no address:x', '::1'],
      consistency: 'MOST',
      timeoutMs: 0,
      maxInFlight: 1.5,
      backoffMinMs: 500,
      backoffMaxMs: 100,
      secret: '',
      timeout: 5,
      ports: {},
    })
    expect(error.code).toBe('CASSIO_CONFIG')
    for (const part of [
      'no address:x',
      '::1',
      'MOST',
      'timeoutMs must be an integer from 1 to 600000, not 0',
      'maxInFlight',
      'backoffMinMs is above backoffMaxMs',
      'secret must be',
      'timeout is not an option',
      'ports has no clock',
    ]) {
      expect(error.message).toContain(part)
    }
  })

  it.each([
    { contactPoints: [] },
    { contactPoints: 'localhost' },
    { contactPoints: [7] },
    { consistency: 7 },
    { readConsistency: 'NONE' },
    { hedgeAfterMs: Number.NaN },
    { hedgeAfterMs: '50' },
    { secret: 7 },
    { ports: null, timeoutMs: -1 },
  ])('client: %j: CASSIO_CONFIG', (options) => {
    expect(configError(options)).toMatchObject({ code: 'CASSIO_CONFIG' })
  })

  it('client: limits: the smallest and largest are taken, one beyond is not', () => {
    for (const [name, row] of Object.entries(CLIENT_OPTIONS)) {
      if (row.type !== 'integer' || name.startsWith('backoff')) continue
      for (const value of [row.min, row.max]) new CassioClient({ [name]: value })
      for (const value of [row.min - 1, row.max + 1]) {
        expect(configError({ [name]: value }).message).toContain(name)
      }
    }
  })

  it('client: a secret that is wrong: is not shown', () => {
    expect(configError({ secret: '', timeoutMs: 0 }).message).not.toContain('swordfish')
  })

  it('client: levels for reads and for writes: override the common one', () => {
    const levels = parseOptions({ consistency: 'ALL', readConsistency: 'ONE' })
    expect(levels).toMatchObject({ readLevel: 1, writeLevel: 5 })
  })

  it.each([
    ['127.0.0.1', '127.0.0.1:9000'],
    ['localhost:7000', 'localhost:7000'],
    ['[::1]', '[::1]:9000'],
    ['[::1]:7000', '[::1]:7000'],
    ['db-1.example', 'db-1.example:9000'],
  ])('client: address %s: %s', (text, complete) => {
    expect(completeAddress(text)).toBe(complete)
  })

  it('client: docs/CLIENT.md: has every option, with its default and limits', () => {
    const text = readFileSync(join(__dirname, '../../../docs/CLIENT.md'), 'utf8')
    const table = text.slice(text.indexOf('\n## Options'), text.indexOf('\n## Which node'))
    const rows = table.split('\n').filter((line) => line.startsWith('| `'))
    const documented = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)])
    expect(documented.map(([, name]) => name).sort()).toEqual(Object.keys(CLIENT_OPTIONS).sort())
    for (const [name, row] of Object.entries(CLIENT_OPTIONS)) {
      if (row.type !== 'integer' || name === 'sendBufferMaxBytes') continue
      const numbers = [row.default, row.min, row.max].map((each) => each.toLocaleString('en'))
      const line = rows.find((each) => each.startsWith(`| \`${name}\``))
      expect(line).toContain(`| ${numbers[0]} | ${numbers[1]} to ${numbers[2]} |`)
    }
  })
})
