import { invalid, type OptionValue, optionsOf, usageOf, VerbInput } from '../verbs/input'
import type { Verb } from '../verbs/verb'
import { nearest } from './nearest'
import type { Data, Word } from './parse'

/**
 * Sorts the words behind a verb into operands and options. Pure.
 *
 * A word that begins with -- is an option unless it was quoted; its value follows as `--ttl 60s` or
 * `--ttl=60s`, and all the words up to the next option where it may have many. Behind a bare -- everything is an operand.
 *
 * @throws CassioError CASSIO_INVALID for an unknown option or one without its value.
 */
export function readArguments(verb: Verb, words: readonly Word[]): VerbInput {
  const operands: Data[] = []
  const options = new Map<string, OptionValue>()
  for (let i = 0; i < words.length; i += 1) {
    const { value: text } = words[i]!
    if (typeof text !== 'string' || !isOption(words[i]!)) {
      operands.push(text)
      continue
    }
    if (text === '--') {
      operands.push(...words.slice(i + 1).map((word) => word.value))
      break
    }
    const [name, inline] = splitOption(text)
    const spec = findOption(verb, name)
    if (spec.value === undefined) {
      if (inline !== undefined) throw invalid(`--${name} takes no value`)
      options.set(name, true)
      continue
    }
    const value = inline ?? words[++i]?.value
    if (value === undefined) throw invalid(`--${name} needs ${spec.value}`)
    if (!spec.many) {
      options.set(name, value)
      continue
    }
    const values = [...((options.get(name) ?? []) as readonly Data[]), value]
    while (inline === undefined && i + 1 < words.length && !isOption(words[i + 1]!)) {
      values.push(words[++i]!.value)
    }
    options.set(name, values)
  }
  return new VerbInput(verb, operands, options)
}

function isOption({ value, quoted }: Word): boolean {
  return !quoted && typeof value === 'string' && value.startsWith('--')
}

function splitOption(text: string): [name: string, value: string | undefined] {
  const equals = text.indexOf('=')
  if (equals === -1) return [text.slice(2), undefined]
  return [text.slice(2, equals), text.slice(equals + 1)]
}

function findOption(verb: Verb, name: string) {
  const options = optionsOf(verb)
  const option = options.find((each) => each.name === name)
  if (option !== undefined) return option
  const near = nearest(
    name,
    options.map((each) => each.name),
  )
  throw invalid(
    `${verb.name} has no option --${name}${near === undefined ? '' : `; did you mean --${near}?`} ` +
      `(usage: ${usageOf(verb)}; put quotes around a key or value that begins with --)`,
  )
}
