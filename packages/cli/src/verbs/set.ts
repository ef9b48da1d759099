import type { WriteReceipt } from '@cassiopeia/client'
import { toJson } from '../render/value'
import type { Data } from '../shell/parse'
import type { WriteRequest } from './client'
import { invalid, type VerbInput } from './input'
import { readValue, VALUE_TYPES } from './typed-value'
import type { Verb, VerbCall, VerbOption } from './verb'

const WRITE_OPTIONS: readonly VerbOption[] = [
  { name: 'receipt', summary: 'also print the stamp and how many replicas acknowledged' },
  {
    name: 'timestamp',
    value: 'STAMP',
    summary: 'write with this stamp: repeats a write that timed out without applying it twice',
  },
]

const SET_OPTIONS: readonly VerbOption[] = [
  { name: 'ttl', value: 'DURATION', summary: 'forget the value after 500ms, 60s, 1h30m, 7d' },
  {
    name: 'as',
    value: 'TYPE',
    summary: 'type of the value: text, json, bytes or base64 (default text)',
    choices: VALUE_TYPES,
  },
  ...WRITE_OPTIONS,
]

export const set: Verb = {
  name: 'set',
  summary: 'store a value under a key',
  operands: [{ name: 'KEY' }, { name: 'VALUE', optional: true }],
  options: [
    ...SET_OPTIONS,
    { name: 'file', value: 'PATH', summary: 'take the value from a file, as bytes by default' },
  ],
  examples: [
    'set ryan jiang',
    'set "user 7" \'{"name":"Ada"}\' --as json',
    'set session:9 open --ttl 30m --consistency ALL',
    'set photo --file portrait.jpg',
  ],
  notes:
    'A value is text unless --as says otherwise. It answers OK once as many replicas as ' +
    '--consistency asks for have it in their commit logs.',
  takesConsistency: true,
  async run(call) {
    const key = call.input.operands[0]!
    const value = await readSetValue(call)
    const options = writeOptions(call)
    const client = await call.connect()
    await printReceipt(call, key, await client.set(key, value, options))
    return 'found'
  },
}

async function readSetValue({ input, readFile }: VerbCall): Promise<unknown> {
  const path = input.text('file')
  const given = input.operands[1]
  if ((path === undefined) === (given === undefined)) {
    throw invalid('set needs a VALUE or --file PATH, and not both')
  }
  const type = input.choice('as', VALUE_TYPES) ?? (path === undefined ? undefined : 'bytes')
  if (path === undefined) return readValue(given!, type)
  const bytes = await readFile(path).catch((error: Error) => {
    throw invalid(`--file: ${error.message}`)
  })
  return readValue(bytes, type)
}

export const mset: Verb = {
  name: 'mset',
  summary: 'store several values, each under its key',
  operands: [{ name: 'KEY' }, { name: 'VALUE' }, { name: 'KEY VALUE', optional: true, many: true }],
  options: SET_OPTIONS,
  examples: ['mset a 1 b 2 c 3', 'mset user:1 Ada user:2 Grace --ttl 7d'],
  notes: 'Each key is a write of its own: when one fails, others may have been stored.',
  takesConsistency: true,
  async run(call) {
    const { input } = call
    if (input.operands.length % 2 !== 0) {
      throw invalid(`the last key has no value: ${input.operands.length} words are no pairs`)
    }
    const type = input.choice('as', VALUE_TYPES)
    const entries: [Data, unknown][] = []
    for (let i = 0; i < input.operands.length; i += 2) {
      entries.push([input.operands[i]!, readValue(input.operands[i + 1]!, type)])
    }
    const options = writeOptions(call)
    const client = await call.connect()
    const receipts = await client.setMany(entries, options)
    for (const [i, receipt] of receipts.entries()) {
      await printReceipt(call, entries[i]![0], receipt)
    }
    return 'found'
  },
}

export const del: Verb = {
  name: 'del',
  summary: 'delete keys',
  operands: [{ name: 'KEY', many: true }],
  options: WRITE_OPTIONS,
  examples: ['del ryan', 'del a b c --consistency ALL'],
  notes: 'It answers OK for each key, whether or not the key had a value.',
  takesConsistency: true,
  async run(call) {
    const options = writeOptions(call)
    const client = await call.connect()
    for (const key of call.input.operands) {
      await printReceipt(call, key, await client.del(key, options))
    }
    return 'found'
  },
}

function writeOptions({ input, request }: VerbCall): WriteRequest {
  const ttlMs = input.durationMs('ttl')
  const timestamp = input.text('timestamp')
  return {
    ...request,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

async function printReceipt(
  { input, print }: VerbCall,
  key: Data,
  receipt: WriteReceipt,
): Promise<void> {
  const { stamp, acknowledged, required, superseded } = receipt
  const json = { key: toJson(key), stamp, acknowledged, required, superseded }
  await print(renderReceipt(receipt, input), json)
}

function renderReceipt(receipt: WriteReceipt, input: VerbInput): string {
  const details: string[] = []
  if (input.flag('receipt')) {
    const { stamp, acknowledged, required } = receipt
    details.push(`stamp ${stamp}, ${acknowledged} acknowledged, ${required} required`)
  }
  if (receipt.superseded) details.push('superseded: the key already has a newer version')
  return details.length === 0 ? 'OK' : `OK (${details.join('; ')})`
}
