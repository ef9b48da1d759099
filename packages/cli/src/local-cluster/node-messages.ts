import type { WireError } from '@cassiopeia/protocol'

/** What a `cassio node` process tells the process that started it, over Node's IPC channel. */
export type NodeMessage =
  | { readonly type: 'listening'; readonly nodeId: string; readonly address: string }
  | { readonly type: 'formed'; readonly clusterId: string; readonly epoch: number }
  /** It ends now, of itself. */
  | { readonly type: 'failed'; readonly error: WireError }

/**
 * What the starter tells the node. Without it the node stops when the channel closes, so that a
 * starter that is killed leaves no nodes behind; after it the node lives on by itself.
 */
export type StarterMessage = { readonly type: 'stay' }

const NODE_MESSAGE_TYPES: readonly unknown[] = ['listening', 'formed', 'failed']

export function isNodeMessage(message: unknown): message is NodeMessage {
  const type = (message as Partial<NodeMessage> | null)?.type
  return NODE_MESSAGE_TYPES.includes(type)
}

export function isStay(message: unknown): message is StarterMessage {
  return (message as Partial<StarterMessage> | null)?.type === 'stay'
}
