/** Counters since the node started; reported by `status`. */
export class Counters {
  /** Client requests answered, whatever the answer. */
  requests = 0
  reads = 0
  writes = 0
  hedges = 0
  readRepairs = 0
  restamps = 0
  timeouts = 0
  unavailables = 0
  overloads = 0
  /** Requests dropped because they arrived past their deadline. */
  expired = 0
  /** Requests refused by this node as a replica. */
  refusals = 0

  snapshot(): Record<string, number> {
    return Object.fromEntries(Object.entries(this))
  }
}
