import type { Timers } from '@cassiopeia/env'

/** Something that gathers output during a turn of the event loop. */
export interface Flushable {
  flush(): void
}

/** Writes each connection once a turn, at the turn's end, however many messages it gathered. */
export class Flusher {
  private waiting: Flushable[] = []
  private spare: Flushable[] = []

  constructor(private readonly timers: Timers) {}

  /** The caller makes sure not to ask twice before its `flush` has run. */
  request(item: Flushable): void {
    if (this.waiting.push(item) === 1) this.timers.soon(this.run)
  }

  private readonly run = (): void => {
    const items = this.waiting
    this.waiting = this.spare
    for (const item of items) item.flush()
    items.length = 0
    this.spare = items
  }
}
