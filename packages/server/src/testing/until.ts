import type { Timers } from '@cassiopeia/env'

const LOOK_EVERY_MS = 2

/** Resolves when `condition` holds, looking again and again on the given timers. */
export function until(timers: Timers, condition: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      try {
        if (condition()) resolve()
        else timers.after(LOOK_EVERY_MS, look)
      } catch (error) {
        reject(error as Error)
      }
    }
    look()
  })
}
