import type { LogFields, Logger } from '../logger'

export interface LogLine {
  readonly timeMs: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: LogFields
}

/** The most recent lines of one process, across its restarts. */
export class LogRing {
  private readonly kept: LogLine[] = []

  constructor(private readonly capacity: number) {}

  add(line: LogLine): void {
    this.kept.push(line)
    // Twice the capacity is kept at most, so that dropping old lines costs next to nothing.
    if (this.kept.length > 2 * this.capacity) this.kept.splice(0, this.capacity)
  }

  lines(): readonly LogLine[] {
    return this.kept.slice(-this.capacity)
  }
}

export class SimLogger implements Logger {
  constructor(
    private readonly ring: LogRing,
    private readonly nowMs: () => number,
    private readonly fields: LogFields = {},
  ) {}

  debug(event: string, fields?: LogFields): void {
    this.add('debug', event, fields)
  }

  info(event: string, fields?: LogFields): void {
    this.add('info', event, fields)
  }

  warn(event: string, fields?: LogFields): void {
    this.add('warn', event, fields)
  }

  error(event: string, fields?: LogFields): void {
    this.add('error', event, fields)
  }

  child(fields: LogFields): Logger {
    return new SimLogger(this.ring, this.nowMs, { ...this.fields, ...fields })
  }

  private add(level: LogLine['level'], event: string, fields: LogFields | undefined): void {
    this.ring.add({ timeMs: this.nowMs(), level, event, fields: { ...this.fields, ...fields } })
  }
}
