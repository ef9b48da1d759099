import { constants } from 'node:os'
import { ExitCode } from './exit-codes'

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

/**
 * npm and npx pass the terminal's Ctrl-C on to a command that the terminal has already told, so one
 * key press can arrive twice; within this time it counts once.
 */
const ONE_KEY_PRESS_MS = 400

/**
 * Calls `stop` once, at the first signal that asks for an end; a second one ends the process at once.
 * @param signals SIGHUP, the end of the terminal, only where nohup need not be respected.
 * @returns a function that takes the listeners away.
 */
export function onStopSignal(
  signals: readonly StopSignal[],
  stop: (signal: StopSignal) => void,
): () => void {
  let firstAtMs: number | undefined
  const onSignal = (signal: StopSignal) => {
    const nowMs = performance.now()
    if (firstAtMs === undefined) {
      firstAtMs = nowMs
      stop(signal)
    } else if (nowMs - firstAtMs > ONE_KEY_PRESS_MS) {
      process.exit(exitCodeOf(signal))
    }
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
  }
}

function exitCodeOf(signal: StopSignal): number {
  return ExitCode.signal + constants.signals[signal]
}

/** The wish of a signal as an `AbortSignal`, from the time it is made until `forget`. */
export class StopRequest {
  stoppedBy: StopSignal | undefined
  private readonly aborter = new AbortController()
  private readonly removeListeners: () => void

  constructor(signals: readonly StopSignal[]) {
    this.removeListeners = onStopSignal(signals, (signal) => {
      this.stoppedBy = signal
      this.aborter.abort()
    })
  }

  get signal(): AbortSignal {
    return this.aborter.signal
  }

  /** @returns `code`, or the exit code of the signal if there was one. */
  exitCode(code: number): number {
    return this.stoppedBy === undefined ? code : exitCodeOf(this.stoppedBy)
  }

  forget(): void {
    this.removeListeners()
  }
}
