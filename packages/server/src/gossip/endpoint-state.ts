import type { NodeLoad } from '@cassiopeia/protocol'

/** What a node says of itself; it travels from node to node and only its owner changes it. */
export interface EndpointState {
  readonly id: string
  /** Rises with each start of the node. */
  readonly generation: number
  /** Rises with each heartbeat, within a generation. */
  readonly version: number
  readonly load: NodeLoad
}

/** An endpoint state's name and age, without its contents. */
export type Digest = readonly [id: string, generation: number, version: number]

export function digestOf(state: EndpointState): Digest {
  return [state.id, state.generation, state.version]
}

/** Whether (generation, version) of `a` comes after that of `b`. */
export function isNewer(
  a: { generation: number; version: number },
  b: { generation: number; version: number },
): boolean {
  return a.generation > b.generation || (a.generation === b.generation && a.version > b.version)
}

/** Reads foreign states; malformed ones are left out. */
export function readStates(states: unknown): EndpointState[] {
  return Array.isArray(states) ? states.filter(isEndpointState) : []
}

/** Reads foreign digests; malformed ones are left out. */
export function readDigests(digests: unknown): Digest[] {
  return Array.isArray(digests) ? digests.filter(isDigest) : []
}

function isEndpointState(state: Partial<EndpointState> | null): boolean {
  return (
    typeof state?.id === 'string' &&
    Number.isSafeInteger(state.generation) &&
    Number.isSafeInteger(state.version) &&
    isLoad(state.load)
  )
}

const LOAD_FIELDS = [
  'keys',
  'cellBytes',
  'memoryBytes',
  'logBytes',
  'requests',
  'hintBytes',
  'unverifiedMs',
] as const

function isLoad(load: Partial<NodeLoad> | undefined): boolean {
  return LOAD_FIELDS.every((field) => Number.isSafeInteger(load?.[field]))
}

function isDigest(digest: unknown): boolean {
  return (
    Array.isArray(digest) &&
    typeof digest[0] === 'string' &&
    Number.isSafeInteger(digest[1]) &&
    Number.isSafeInteger(digest[2])
  )
}
