import { renderExplanation } from '../render/explain'
import { renderValue, toJson } from '../render/value'
import type { Verb } from './verb'

export const explain: Verb = {
  name: 'explain',
  summary: 'show how the replicas of a key vote, and which rule decides',
  operands: [{ name: 'KEY' }],
  options: [],
  examples: ['explain ryan'],
  notes:
    'Every replica is asked; nothing is repaired by asking. VERDICT is newest, stale (it misses ' +
    'the winner) or silent (no answer in time). PROVEN UP TO is the time up to which the replica ' +
    'knows that all of them have agreed: what was deleted before may be forgotten. For a deleted ' +
    'key it says whether that is so, or who keeps it from being so.',
  takesConsistency: false,
  async run({ connect, input, request, style, print }) {
    const key = input.operands[0]!
    const client = await connect()
    const explanation = await client.explain(key, request)
    const text = renderExplanation(renderValue(key), explanation, style)
    await print(text, { key: toJson(key), ...(toJson(explanation) as object) })
    return explanation.outcome === 'value' ? 'found' : 'missing'
  },
}
