import { renderValue, toJson } from '../render/value'
import { renderLocation } from '../render/where'
import type { Verb } from './verb'

export const where: Verb = {
  name: 'where',
  summary: 'show where a key belongs, from its hash to its replicas',
  operands: [{ name: 'KEY' }],
  options: [],
  examples: ['where ryan'],
  notes: 'It is computed from the cluster map alone; the key need not exist.',
  takesConsistency: false,
  async run({ connect, input, style, print }) {
    const key = input.operands[0]!
    const client = await connect()
    const location = client.where(key)
    const text = renderLocation(renderValue(key), location, style)
    await print(text, { key: toJson(key), ...(toJson(location) as object) })
    return 'found'
  },
}
