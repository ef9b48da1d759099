import { invalid, optionsOf, usageOf, VerbInput } from '../verbs/input'
import type { Verb } from '../verbs/verb'
import { nearest } from './nearest'
import type { Data, Word } from './parse'

/**
 * Sorts the words behind a verb into operands and options. Pure.
 *
 * A word that begins with -- is an option unless it was quoted; its value follows as `--ttl 60s` or
 * `--ttl=60s`. Behind a bare -- everything is an operand.
 *
 * @throws CassioError CASSIO_INVALID for an unknown option or one without its value.
 */
export function readArguments(verb: Verb, words: readonly Word[]): VerbInput {
  const operands: Data[] = []
  const options = new Map<string, Data | true>()
  for (let i = 0; i < words.length; i += 1) {
    const { value: text, quoted } = words[i]!
    if (quoted || typeof text !== 'string' || !text.startsWith('--')) {
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
    options.set(name, value)
  }
  return new VerbInput(verb, operands, options)
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
