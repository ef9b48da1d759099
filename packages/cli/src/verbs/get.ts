import type { Entry } from '@cassiopeia/client'
import { renderStamp } from '../render/explain'
import { renderValue, toJson } from '../render/value'
import { formatDuration } from '../units'
import { invalid } from './input'
import type { Finding, Verb, VerbCall } from './verb'

export const NOT_FOUND = '(not found)'

export const get: Verb = {
  name: 'get',
  summary: 'print the value of a key',
  operands: [{ name: 'KEY' }],
  options: [
    { name: 'entry', summary: 'also print the stamp, and when the value expires' },
    { name: 'raw', summary: 'print the bytes of text or bytes as they are, with nothing added' },
  ],
  examples: ['get ryan', 'get ryan --consistency ONE', 'get "user 7" --entry'],
  notes:
    'Text is printed as a JSON string, bytes as b"…", anything else as in JavaScript; a key ' +
    'without a value prints (not found).',
  takesConsistency: true,
  async run(call) {
    const client = await call.connect()
    const entry = await client.getEntry(call.input.operands[0]!, call.request)
    if (call.input.flag('raw')) return printRaw(call, entry)
    await printEntry(call, entry)
    return entry === undefined ? 'missing' : 'found'
  },
}

async function printRaw(call: VerbCall, entry: Entry | undefined): Promise<Finding> {
  if (entry === undefined) return 'missing'
  const { value } = entry
  if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
    throw invalid('the value is neither text nor bytes; leave out --raw, or use --json')
  }
  await call.printRaw(Buffer.from(value))
  return 'found'
}

async function printEntry({ input, print }: VerbCall, entry: Entry | undefined): Promise<void> {
  const key = toJson(input.operands[0])
  if (entry === undefined) {
    await print(NOT_FOUND, { key, found: false })
    return
  }
  const { value, stamp, expiresAtMs } = entry
  const expires = expiresAtMs === undefined ? null : new Date(expiresAtMs).toISOString()
  const lines = [renderValue(value)]
  if (input.flag('entry')) {
    lines.push(`stamp    ${renderStamp(stamp)}`, `expires  ${expires ?? 'never'}`)
  }
  await print(lines.join('\n'), { key, found: true, value: toJson(value), stamp, expires })
}

export const mget: Verb = {
  name: 'mget',
  summary: 'print the values of several keys, one a line',
  operands: [{ name: 'KEY', many: true }],
  options: [],
  examples: ['mget a b c'],
  notes: 'They come in the order asked. As a command it exits with 1 when a key has no value.',
  takesConsistency: true,
  async run({ connect, input, request, print }) {
    const client = await connect()
    const values = await client.getMany(input.operands, request)
    for (const [i, value] of values.entries()) {
      const key = toJson(input.operands[i])
      if (value === undefined) await print(NOT_FOUND, { key, found: false })
      else await print(renderValue(value), { key, found: true, value: toJson(value) })
    }
    return values.includes(undefined) ? 'missing' : 'found'
  },
}

export const exists: Verb = {
  name: 'exists',
  summary: 'say whether a key has a value',
  operands: [{ name: 'KEY' }],
  options: [],
  examples: ['exists ryan'],
  notes: 'It prints true or false. As a command it exits with 1 for false.',
  takesConsistency: true,
  async run({ connect, input, request, print }) {
    const client = await connect()
    const found = await client.has(input.operands[0]!, request)
    await print(String(found), { key: toJson(input.operands[0]), found })
    return found ? 'found' : 'missing'
  },
}

export const ttl: Verb = {
  name: 'ttl',
  summary: 'print how long a value has left',
  operands: [{ name: 'KEY' }],
  options: [],
  examples: ['ttl session:9'],
  notes: 'A value without a limit prints (no expiry).',
  takesConsistency: true,
  async run({ connect, input, request, print }) {
    const client = await connect()
    const leftMs = await client.ttl(input.operands[0]!, request)
    const key = toJson(input.operands[0])
    if (leftMs === undefined) {
      await print(NOT_FOUND, { key, found: false })
      return 'missing'
    }
    const expires = Number.isFinite(leftMs)
    const left = expires ? formatDuration(leftMs) : '(no expiry)'
    await print(left, { key, found: true, ttlMs: expires ? leftMs : null })
    return 'found'
  },
}
