import { parseAddress } from '@cassiopeia/protocol'
import { renderStatus } from '../render/status'
import { toJson } from '../render/value'
import { invalid } from './input'
import type { Verb } from './verb'

export const status: Verb = {
  name: 'status',
  summary: 'print the members of the cluster as one node sees them',
  operands: [{ name: 'ADDRESS', optional: true }],
  options: [{ name: 'verbose', summary: 'whole ids, and the counters of the node that answers' }],
  examples: ['status', 'status 127.0.0.1:9001', 'status --verbose'],
  notes:
    'Without ADDRESS any node answers. PHI is the suspicion against a member: at 1 a live one is ' +
    'this late once in 10 times, at 8 once in 100 million. HEARTBEAT is generation:beats. LATENCY ' +
    'is the usual time to an answer. HINTS are writes kept for members that missed them. VERIFIED ' +
    'is when the replicas of a partition were last found equal: of those that the member leads, ' +
    'the one where that was longest ago.',
  takesConsistency: false,
  async run({ client, connect, input, request, style, print }) {
    const operand = input.operands[0]
    const address = operand === undefined ? undefined : readAddress(operand)
    // Nodes that are no contact points are known from the map; a contact point is asked at once, so
    // that a cluster which is still forming can be looked at.
    if (address !== undefined) await connect()
    const found = await client.status(address, request)
    await print(renderStatus(found, input.flag('verbose'), style), toJson(found))
    return 'found'
  },
}

function readAddress(address: string | Buffer): string {
  const text = String(address)
  try {
    parseAddress(text)
    return text
  } catch (error) {
    throw invalid((error as Error).message)
  }
}
