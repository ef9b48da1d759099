/** How many replicas must answer before a request may. Numbers are the wire's, fixed for ever. */
export const ConsistencyLevel = Object.freeze({ ONE: 1, TWO: 2, THREE: 3, QUORUM: 4, ALL: 5 })
export type ConsistencyLevel = keyof typeof ConsistencyLevel
export type ConsistencyCode = (typeof ConsistencyLevel)[ConsistencyLevel]

export const CONSISTENCY_LEVELS = Object.freeze(
  Object.keys(ConsistencyLevel),
) as readonly ConsistencyLevel[]

export function isConsistencyCode(code: number): code is ConsistencyCode {
  return code >= ConsistencyLevel.ONE && code <= ConsistencyLevel.ALL
}

/** @throws RangeError that names the levels, when `text` (in any case) is none of them. */
export function parseConsistencyLevel(text: string): ConsistencyLevel {
  const name = text.toUpperCase()
  const level = CONSISTENCY_LEVELS.find((each) => each === name)
  if (level !== undefined) return level
  throw new RangeError(
    `unknown consistency level ${JSON.stringify(text)}; levels: ${CONSISTENCY_LEVELS.join(', ')}`,
  )
}

export function consistencyName(code: ConsistencyCode): ConsistencyLevel {
  return CONSISTENCY_LEVELS[code - 1]!
}

/** ⌊RF / 2⌋ + 1: any two such sets of replicas share a member. */
export function quorum(replicationFactor: number): number {
  return Math.floor(replicationFactor / 2) + 1
}

/** Replicas that must answer; TWO and THREE may be more than there are, and are then UNAVAILABLE. */
export function requiredReplicas(code: ConsistencyCode, replicationFactor: number): number {
  if (code === ConsistencyLevel.QUORUM) return quorum(replicationFactor)
  if (code === ConsistencyLevel.ALL) return replicationFactor
  return code
}
