import { CassioError, type ConsistencyLevel, parseConsistencyLevel } from '@cassiopeia/protocol'
import type { Data } from '../shell/parse'
import { parseDuration } from '../units'
import type { Verb, VerbOption } from './verb'

/** Options that every verb has. */
export const COMMON_OPTIONS: readonly VerbOption[] = Object.freeze([
  { name: 'json', summary: 'print each answer as one line of JSON' },
  { name: 'timeout-ms', value: 'MS', summary: 'give up after so many milliseconds' },
])

const CONSISTENCY_OPTION: VerbOption = Object.freeze({
  name: 'consistency',
  value: 'LEVEL',
  summary: 'how many replicas must answer: ONE, TWO, THREE, QUORUM or ALL',
  choices: ['ONE', 'TWO', 'THREE', 'QUORUM', 'ALL'],
})

/** All options of a verb, its own first. */
export function optionsOf(verb: Verb): VerbOption[] {
  return [
    ...verb.options,
    ...(verb.takesConsistency ? [CONSISTENCY_OPTION] : []),
    ...COMMON_OPTIONS,
  ]
}

/** `set KEY VALUE [--ttl DURATION] …`, with the verb's own options only. */
export function usageOf(verb: Verb): string {
  const operands = verb.operands.map((operand) => {
    const name = operand.many ? `${operand.name}...` : operand.name
    return operand.optional ? `[${name}]` : name
  })
  const options = verb.options.map((option) => `[${optionUsage(option)}]`)
  return [verb.name, ...operands, ...options].join(' ')
}

/** `--ttl DURATION`, `--key KEY...` */
export function optionUsage({ name, value, many }: VerbOption): string {
  return value === undefined ? `--${name}` : `--${name} ${value}${many ? '...' : ''}`
}

/** What was given for one option: nothing for a switch, several values where it may have many. */
export type OptionValue = Data | true | readonly Data[]

/**
 * What the user gave to a verb, checked against what the verb takes. Pure.
 *
 * The methods read one option each and throw CASSIO_INVALID, naming the option, when its value is
 * not what it must be.
 */
export class VerbInput {
  /** @throws CassioError CASSIO_INVALID for missing or surplus operands. */
  constructor(
    readonly verb: Verb,
    readonly operands: readonly Data[],
    private readonly options: ReadonlyMap<string, OptionValue>,
  ) {
    const required = verb.operands.filter((operand) => !operand.optional).length
    const allowed = verb.operands.some((operand) => operand.many) ? Infinity : verb.operands.length
    if (operands.length < required) {
      const missing = verb.operands[operands.length]!.name
      throw invalid(`${verb.name} needs ${missing}; usage: ${usageOf(verb)}`)
    }
    if (operands.length > allowed) {
      throw invalid(
        `${verb.name} takes ${allowed === 0 ? 'nothing' : `no more than ${allowed} words`} and got ` +
          `${operands.length}; usage: ${usageOf(verb)}; quote what has blanks`,
      )
    }
  }

  flag(name: string): boolean {
    return this.options.has(name)
  }

  text(name: string): string | undefined {
    const value = this.options.get(name)
    if (value === undefined || value === true) return undefined
    if (typeof value === 'string') return value
    throw invalid(`--${name} must be text, not bytes`)
  }

  /** The values of an option that may have many. */
  values(name: string): readonly Data[] {
    const value = this.options.get(name)
    return Array.isArray(value) ? value : []
  }

  choice<const Choice extends string>(
    name: string,
    choices: readonly Choice[],
  ): Choice | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    const choice = choices.find((each) => each === text.toLowerCase())
    if (choice !== undefined) return choice
    throw invalid(`--${name} is one of ${choices.join(', ')}, not ${JSON.stringify(text)}`)
  }

  wholeNumber(name: string, min: number, max: number): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    return wholeNumber(name, text, min, max)
  }

  /** As `wholeNumber`, of an option that may have many values. */
  wholeNumbers(name: string, min: number, max: number): number[] {
    return this.values(name).map((value) => wholeNumber(name, String(value), min, max))
  }

  durationMs(name: string): number | undefined {
    return this.parsed(name, parseDuration)
  }

  consistency(): ConsistencyLevel | undefined {
    return this.parsed('consistency', parseConsistencyLevel)
  }

  private parsed<Value>(name: string, parse: (text: string) => Value): Value | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    try {
      return parse(text)
    } catch (error) {
      throw invalid(`--${name}: ${(error as Error).message}`)
    }
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw invalid(`--${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`)
}

export function invalid(message: string): CassioError {
  return new CassioError('CASSIO_INVALID', message)
}
