import { MessageType } from '@cassiopeia/protocol'
import { World } from './world'

describe('client', () => {
  it('client: set, get, del: the value comes back as what it was', async () => {
    const world = await World.make()
    const client = await world.connected()
    await world.run(async () => {
      const receipt = await client.set('ryan', 'jiang')
      expect(receipt.stamp).toMatch(/^\d+-0-/)
      expect(receipt).toMatchObject({ acknowledged: 2, required: 2, superseded: false })
      expect(await client.get('ryan')).toBe('jiang')
      await client.del('ryan')
      expect(await client.get('ryan')).toBeUndefined()
      await client.disconnect()
    })
    expect(world.all.flatMap((node) => node.ofType(MessageType.PUT))).toHaveLength(2)
  })
})
