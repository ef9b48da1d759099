import { CONSISTENCY_LEVELS, parseConsistencyLevel } from '@cassiopeia/protocol'
import { type HelpEntry, renderHelp, renderVerbHelp } from '../render/help'
import { findVerb, VERBS } from '../verbs'
import { invalid } from '../verbs/input'
import { nearest } from './nearest'
import type { Session } from './session'

/** A word of the shell itself: it changes the session and asks the cluster nothing. */
export interface Builtin extends HelpEntry {
  readonly name: string
  /** The words that may follow, for completion. */
  readonly choices: () => readonly string[]
  /** @returns true when the shell is to end. */
  run(session: Session, words: readonly string[]): boolean
}

const quit = (name: string): Builtin => ({
  name,
  usage: name,
  summary: 'leave the shell',
  choices: () => [],
  run: () => true,
})

export const BUILTINS: readonly Builtin[] = Object.freeze([
  {
    name: 'consistency',
    usage: 'consistency [LEVEL]',
    summary: 'print or set the level of the commands that follow',
    choices: () => CONSISTENCY_LEVELS,
    run(session, [level]) {
      if (level !== undefined) session.consistency = readLevel(level)
      session.write(`${session.consistency ?? 'QUORUM'}\n`)
      return false
    },
  },
  {
    name: 'timing',
    usage: 'timing [on|off]',
    summary: 'print how long each command takes, or do not',
    choices: () => ['on', 'off'],
    run(session, [state]) {
      if (state !== undefined && state !== 'on' && state !== 'off') {
        throw invalid(`timing is on or off, not ${JSON.stringify(state)}`)
      }
      if (state !== undefined) session.timing = state === 'on'
      session.write(`${session.timing ? 'on' : 'off'}\n`)
      return false
    },
  },
  {
    name: 'help',
    usage: 'help [VERB]',
    summary: 'list the verbs, or tell more of one',
    choices: wordsOfShell,
    run(session, [name]) {
      session.write(`${name === undefined ? renderHelp(VERBS, BUILTINS) : helpOn(name)}\n`)
      return false
    },
  },
  {
    name: 'clear',
    usage: 'clear',
    summary: 'clear the screen',
    choices: () => [],
    run(session) {
      // Cursor home, erase the display. @see ECMA-48, 8.3.21 and 8.3.39
      if (session.interactive) session.write('\u001b[H\u001b[2J')
      return false
    },
  },
  quit('quit'),
  quit('exit'),
])

/** Every word that a line may begin with. */
export function wordsOfShell(): string[] {
  return [...VERBS, ...BUILTINS].map((each) => each.name)
}

function helpOn(name: string): string {
  const verb = findVerb(name.toLowerCase())
  if (verb !== undefined) return renderVerbHelp(verb)
  const builtin = BUILTINS.find((each) => each.name === name.toLowerCase())
  if (builtin !== undefined) return `usage: ${builtin.usage}\n${builtin.summary}`
  throw unknownVerb(name)
}

export function unknownVerb(name: string): Error {
  const near = nearest(name, wordsOfShell())
  return invalid(
    `unknown verb ${JSON.stringify(name)}; ` +
      (near === undefined ? 'help lists the verbs' : `did you mean ${near}?`),
  )
}

function readLevel(text: string) {
  try {
    return parseConsistencyLevel(text)
  } catch (error) {
    throw invalid((error as Error).message)
  }
}
