/**
 * Which calls an AbortSignal ends. Many calls may share a signal, and Node warns of an event target
 * with more than ten listeners: so each signal gets one, for as long as some call hangs on it.
 */
export class AbortWatch<Call> {
  private readonly calls = new Map<AbortSignal, Set<Call>>()

  /** @param onAbort Told of each call whose signal fires, in the order in which they were added. */
  constructor(private readonly onAbort: (call: Call) => void) {}

  /** @param signal Not aborted yet. */
  add(signal: AbortSignal, call: Call): void {
    const calls = this.calls.get(signal)
    if (calls !== undefined) {
      calls.add(call)
      return
    }
    this.calls.set(signal, new Set([call]))
    signal.addEventListener('abort', this)
  }

  remove(signal: AbortSignal, call: Call): void {
    const calls = this.calls.get(signal)
    if (calls?.delete(call) !== true || calls.size > 0) return
    this.calls.delete(signal)
    signal.removeEventListener('abort', this)
  }

  /** Called by the signal. */
  handleEvent(event: Event): void {
    const calls = this.calls.get(event.target as AbortSignal)
    if (calls !== undefined) for (const call of [...calls]) this.onAbort(call)
  }
}
