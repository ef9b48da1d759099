import { performance } from 'node:perf_hooks'
import type { Clock } from '../clock'

export class NodeClock implements Clock {
  monotonicMs(): number {
    return performance.now()
  }

  wallMs(): number {
    return Date.now()
  }
}
