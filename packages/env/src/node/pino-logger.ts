import pino from 'pino'
import type { LogFields, Logger } from '../logger'

export interface LoggerOptions {
  /** Lines below it are dropped. Default 'info'. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** 'stderr', or the path of a file to append to, made with its folders. Default 'stderr'. */
  readonly destination?: string
}

/**
 * Lines of JSON. They are written synchronously: nothing logs on a hot path, and the last line
 * before a crash is the one that matters. A line that cannot be written is lost, and no more.
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level = 'info', destination = 'stderr' } = options
  const output = pino.destination({
    dest: destination === 'stderr' ? 2 : destination,
    sync: true,
    mkdir: true,
  })
  // Without a listener an error here, such as a full disk, would end the process.
  output.removeAllListeners('error')
  output.on('error', () => {})
  return new PinoLogger(
    pino(
      {
        level,
        base: { pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        serializers: { error: pino.stdSerializers.err, cause: pino.stdSerializers.err },
        messageKey: 'event',
      },
      output,
    ),
  )
}

class PinoLogger implements Logger {
  constructor(private readonly pino: pino.Logger) {}

  debug(event: string, fields: LogFields = {}): void {
    this.pino.debug(fields, event)
  }

  info(event: string, fields: LogFields = {}): void {
    this.pino.info(fields, event)
  }

  warn(event: string, fields: LogFields = {}): void {
    this.pino.warn(fields, event)
  }

  error(event: string, fields: LogFields = {}): void {
    this.pino.error(fields, event)
  }

  child(fields: LogFields): Logger {
    return new PinoLogger(this.pino.child(fields))
  }
}
