import { optionsOf, optionUsage, usageOf } from '../verbs/input'
import type { Verb } from '../verbs/verb'

export interface HelpEntry {
  readonly usage: string
  readonly summary: string
}

/** What `help` prints: one line for each verb. Pure. */
export function renderHelp(verbs: readonly Verb[], builtins: readonly HelpEntry[]): string {
  const entries = verbs.map((verb) => {
    const operands = usageOf(verb).replace(/ \[--.*$/, '')
    return { usage: operands, summary: verb.summary }
  })
  return [
    ...renderEntries([...entries, ...builtins]),
    '',
    'help VERB tells more. Quote what has blanks: \'…\' keeps it as it is, "…" knows \\n \\" \\\\ \\uNNNN',
    'and \\xNN for a byte. Ctrl-C interrupts a command, Ctrl-D leaves.',
  ].join('\n')
}

/** What `help VERB` prints. Pure. */
export function renderVerbHelp(verb: Verb): string {
  const options = optionsOf(verb).map((option) => ({
    usage: optionUsage(option),
    summary: option.summary,
  }))
  return [
    `usage: ${usageOf(verb)}`,
    verb.summary,
    ...(verb.notes === undefined ? [] : ['', ...wrap(verb.notes, 96)]),
    '',
    'options:',
    ...renderEntries(options),
    '',
    'examples:',
    ...verb.examples.map((example) => `  ${example}`),
  ].join('\n')
}

function renderEntries(entries: readonly HelpEntry[]): string[] {
  const width = Math.max(...entries.map((entry) => entry.usage.length))
  return entries.map(({ usage, summary }) => `  ${usage.padEnd(width)}  ${summary}`)
}

/** Breaks text between words so that no line is longer than `width`, where a word allows it. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
