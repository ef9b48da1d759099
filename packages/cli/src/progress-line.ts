import type { Io } from './io'

/** Without a terminal there is a line for those who read a log, and no more. */
const LINE_EVERY_MS = 5_000
/** Where the terminal does not tell its width. */
const COLUMNS_DEFAULT = 80

/**
 * How far a long command is, as one line on standard error: on a terminal it is written anew in its
 * place; elsewhere a line is added every few seconds, the first when that much time has passed.
 */
export class ProgressLine {
  /** Characters of the line that stands on the terminal. */
  private shown = 0
  /** When the last line was added, or the first was held back. */
  private lineMs: number | undefined

  constructor(
    private readonly errors: Io['errors'],
    private readonly monotonicMs: () => number,
  ) {}

  show(text: string): void {
    if (this.errors.isTTY) this.rewrite(text)
    else this.addLine(text)
  }

  /** Takes the line away, and begins to count the time anew. */
  clear(): void {
    if (this.shown > 0) this.errors.write(`\r${' '.repeat(this.shown)}\r`)
    this.shown = 0
    this.lineMs = undefined
  }

  /** Blanks and carriage returns do for every terminal. */
  private rewrite(text: string): void {
    // A full line may wrap, and then \r leads only to the beginning of its second half.
    const line = text.slice(0, (this.errors.columns ?? COLUMNS_DEFAULT) - 1)
    this.errors.write(`\r${line.padEnd(this.shown)}`)
    this.shown = line.length
  }

  private addLine(text: string): void {
    const nowMs = this.monotonicMs()
    this.lineMs ??= nowMs
    if (nowMs - this.lineMs < LINE_EVERY_MS) return
    this.lineMs = nowMs
    this.errors.write(`${text}\n`)
  }
}
