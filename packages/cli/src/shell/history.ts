import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const LINES_MAX = 1_000
/** Beyond it a line, such as one with a pasted file in it, is not kept. */
const LINE_LENGTH_MAX = 4_096
/** Values may be private: the file is its owner's alone. */
const MODE = 0o600

/**
 * Lines typed in earlier shells, one a line of a file. Each line is appended as it is typed, so that
 * shells side by side do not overwrite each other's. A history that cannot be read or written is a
 * shell without history, and no error.
 */
export class History {
  constructor(private readonly path: string | undefined) {}

  /** Newest first, as readline wants them. */
  load(): string[] {
    if (this.path === undefined) return []
    try {
      const lines = readFileSync(this.path, 'utf8').split('\n').filter(Boolean)
      // An older or foreign file may be open to others.
      chmodSync(this.path, MODE)
      const kept = lines.slice(-LINES_MAX)
      if (lines.length > 2 * LINES_MAX) {
        writeFileSync(this.path, `${kept.join('\n')}\n`, { mode: MODE })
      }
      return kept.reverse()
    } catch {
      return []
    }
  }

  add(line: string): void {
    if (this.path === undefined || line.trim() === '' || line.length > LINE_LENGTH_MAX) return
    try {
      appendFileSync(this.path, `${line}\n`, { mode: MODE })
    } catch {
      // A full disk or a read-only home directory must not keep anybody from working.
    }
  }
}

export const HISTORY_LINES_MAX = LINES_MAX

/** CASSIO_HISTORY names another file; `off` or nothing keeps no history. */
export function historyPath(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const chosen = environment.CASSIO_HISTORY
  if (chosen === undefined) return join(homedir(), '.cassio_history')
  return chosen === '' || chosen === 'off' ? undefined : chosen
}
