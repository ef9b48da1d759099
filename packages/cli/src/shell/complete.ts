import { findVerb } from '../verbs'
import { optionsOf } from '../verbs/input'
import { BUILTINS, wordsOfShell } from './builtins'

/** What readline asks for: the words that may stand here, and the part of the line they replace. */
export type Completion = [candidates: string[], replaced: string]

/**
 * Completes the word at the end of `line`: verbs, their options, and the values of options that
 * have a fixed set. Keys are not completed. Pure.
 */
export function complete(line: string): Completion {
  const words = line.trimStart().split(/[ \t]+/)
  const typed = words.at(-1)!
  const candidates = candidatesFor(words.slice(0, -1), typed)
  return [candidates.filter((each) => startsWith(each, typed)).map((each) => `${each} `), typed]
}

function candidatesFor(before: readonly string[], typed: string): readonly string[] {
  if (before.length === 0) return wordsOfShell()
  const name = before[0]!.toLowerCase()
  const builtin = BUILTINS.find((each) => each.name === name)
  if (builtin !== undefined) return before.length === 1 ? builtin.choices() : []
  const verb = findVerb(name)
  if (verb === undefined) return []
  const options = optionsOf(verb)
  const last = before.at(-1)!
  const awaited = options.find(
    (option) => option.value !== undefined && last === `--${option.name}`,
  )
  if (awaited !== undefined) return awaited.choices ?? []
  if (!typed.startsWith('-')) return []
  // An option counts once.
  return options.map((option) => `--${option.name}`).filter((each) => !before.includes(each))
}

/** Levels may be typed in small letters. */
function startsWith(candidate: string, typed: string): boolean {
  return candidate.toLowerCase().startsWith(typed.toLowerCase())
}
