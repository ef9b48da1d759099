/** What the command tells the process that started it. */
export const ExitCode = Object.freeze({
  ok: 0,
  /** The answer is no: the key has no value, or not all nodes run. */
  no: 1,
  /** An error, which has been printed with its code. */
  error: 2,
  /** A node that ran could not go on: start it again. */
  fatal: 3,
  /** Stopped by a signal: this plus the signal's number, as shells count. */
  signal: 128,
})
