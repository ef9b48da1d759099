import { renderRepair, renderRepairProgress } from '../render/repair'
import { toJson } from '../render/value'
import type { Verb } from './verb'

/** Of any cluster; the client knows how many this one has. */
const PARTITION_MAX = 2 ** 32 - 1

export const repair: Verb = {
  name: 'repair',
  summary: 'compare the replicas now, and make them equal where they differ',
  operands: [],
  options: [
    { name: 'partition', value: 'N', many: true, summary: 'only these partitions' },
    { name: 'key', value: 'KEY', many: true, isData: true, summary: 'only the partitions of keys' },
  ],
  examples: ['repair', 'repair --partition 7 8 9', 'repair --key ryan "user 7"'],
  notes:
    'Each partition is verified by the first of its replicas that is up: it compares what all of ' +
    'them hold and has the newest versions copied to where they are missing. Replicas do that by ' +
    'themselves too, every ten minutes unless the nodes are told otherwise, and reads repair what ' +
    'they meet. So it is needed only when one cannot wait: before a node is taken down for long, ' +
    'after one was away for longer than hints are kept, or to have deleted keys forgotten soon. ' +
    'What was written in the last seconds is left out. Ctrl-C stops it on all nodes. It takes as long as it ' +
    'takes; --timeout-ms is for each question to a node. Exits with 1 when a partition could not ' +
    'be verified, as when one of its replicas is down.',
  takesConsistency: false,
  async run({ connect, input, request, style, print, showProgress }) {
    const named = input.wholeNumbers('partition', 0, PARTITION_MAX)
    const keys = input.values('key')
    const client = await connect()
    const partitions = [...named, ...keys.map((key) => client.where(key).partition)]
    const summary = await client.repair({
      ...request,
      ...(partitions.length === 0 ? {} : { partitions }),
      onProgress: (report) => showProgress(renderRepairProgress(report)),
    })
    await print(renderRepair(summary, style), toJson(summary))
    return summary.verified === summary.total ? 'found' : 'missing'
  },
}
