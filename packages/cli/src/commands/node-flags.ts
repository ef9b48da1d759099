import {
  CassioError,
  formatAddress,
  type OptionRow,
  type OptionTable,
  parseAddress,
} from '@cassiopeia/protocol'
import type { NodeOptions } from '@cassiopeia/server'
import { formatBytes, parseBytes } from '../units'

/**
 * The flags of `cassio node`, made of the server's own table of options, so that an option that the
 * server gains is a flag and an environment variable at once. Pure.
 */
export interface NodeFlag {
  /** Without the dashes. */
  readonly name: string
  /** What stands for the value in help texts. */
  readonly value: string
  /** The field of `NodeOptions`. */
  readonly option: string
  readonly summary: string
  readonly row: OptionRow
}

/** Flags that are shorter than the option's name. */
const SHORT_NAMES: Readonly<Record<string, string>> = Object.freeze({
  dataDirectory: 'data',
  replicationFactor: 'rf',
})

/** The secret never is a flag: the arguments of a process can be read by everybody. */
const NO_FLAGS: readonly string[] = Object.freeze(['secret'])

const REQUIRED: readonly string[] = Object.freeze(['listen', 'members', 'dataDirectory'])
const ADDRESSES: readonly string[] = Object.freeze(['listen', 'members', 'advertise'])

/** @param table `NODE_OPTIONS` of the server. */
export function nodeFlags(table: OptionTable<NodeOptions>): NodeFlag[] {
  return Object.entries(table).flatMap(([option, row]) => {
    const isCode = row.type === 'function' || row.type === 'object'
    if (isCode || NO_FLAGS.includes(option)) return []
    const name = SHORT_NAMES[option] ?? kebabCase(option)
    return [{ name, value: placeholder(option, row), option, summary: summaryOf(row, option), row }]
  })
}

/** `--sync-interval-ms` is CASSIO_SYNC_INTERVAL_MS in the environment. */
export function environmentName(flag: string): string {
  return `CASSIO_${flag.toUpperCase().replaceAll('-', '_')}`
}

/** `--sync-interval-ms` is `syncIntervalMs` among the flags that commander has read. */
export function attributeName(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/**
 * Turns texts into the server's options and reports all violations together.
 * @param texts By attribute name, from flags and environment.
 * @throws CassioError CASSIO_CONFIG
 */
export function readNodeFlags(
  flags: readonly NodeFlag[],
  texts: Readonly<Record<string, unknown>>,
): NodeOptions {
  const options: Record<string, unknown> = {}
  const violations: string[] = []
  for (const flag of flags) {
    const text = texts[attributeName(flag.name)]
    const label = `--${flag.name} (or ${environmentName(flag.name)})`
    if (typeof text !== 'string') {
      if (REQUIRED.includes(flag.option)) violations.push(`${label} is needed`)
      continue
    }
    try {
      options[flag.option] = readText(flag, text)
    } catch (error) {
      violations.push(`${label}: ${(error as Error).message}`)
    }
  }
  if (violations.length > 0) throw new CassioError('CASSIO_CONFIG', violations.join('; '))
  return options as unknown as NodeOptions
}

function readText({ option, row }: NodeFlag, text: string): unknown {
  if (row.type === 'texts') return splitList(text).map((each) => readOne(option, each))
  if (row.type === 'flag') return readSwitch(text)
  if (row.type === 'integer') return readInteger(option, row, text)
  if (row.type === 'choice' && !row.choices.includes(text)) {
    throw new RangeError(`expected ${row.choices.join(', ')}, not ${JSON.stringify(text)}`)
  }
  return readOne(option, text)
}

function readOne(option: string, text: string): string {
  return ADDRESSES.includes(option) ? formatAddress(parseAddress(text)) : text
}

function readInteger(option: string, row: OptionRow & { type: 'integer' }, text: string): number {
  const number = isSize(option) ? parseBytes(text) : wholeNumber(text)
  if (number >= row.min && number <= row.max) return number
  throw new RangeError(`expected ${show(option, row.min)} to ${show(option, row.max)}, not ${text}`)
}

function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new RangeError(`expected a whole number, not ${JSON.stringify(text)}`)
}

function readSwitch(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new RangeError(`expected true or false, not ${JSON.stringify(text)}`)
}

/** Reads `a,b,c`; blanks around the parts and empty parts are dropped. */
export function splitList(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim())
  return parts.filter((part) => part !== '')
}

function summaryOf(row: OptionRow, option: string): string {
  if (row.type === 'integer') {
    const range = `${show(option, row.min)} to ${show(option, row.max)}`
    return `${row.doc} ${range}, default ${show(option, row.default)}.`
  }
  const choices = row.type === 'choice' ? ` One of ${row.choices.join(', ')}.` : ''
  const hasDefault = 'default' in row && row.default !== undefined
  return `${row.doc}${choices}${hasDefault ? ` Default ${row.default}.` : ''}`
}

function placeholder(option: string, row: OptionRow): string {
  if (option === 'members') return 'HOST:PORT,...'
  if (ADDRESSES.includes(option)) return 'HOST:PORT'
  if (option === 'dataDirectory') return 'DIR'
  if (row.type === 'integer') return isSize(option) ? 'SIZE' : option.endsWith('Ms') ? 'MS' : 'N'
  if (row.type === 'flag') return 'true|false'
  return row.type === 'choice' ? 'MODE' : 'TEXT'
}

/** Sizes may be given with a unit. */
function isSize(option: string): boolean {
  return /Bytes(Max)?$/.test(option)
}

function show(option: string, number: number): string {
  return isSize(option) ? formatBytes(number).replace(' ', '') : String(number)
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
