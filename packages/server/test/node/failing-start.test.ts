import { connectClient, withCluster } from './support'

/** I/O calls of a start, and some more. */
const CALLS = 90

const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`)

// A store that failed while the hints were being opened left a node that answered nothing, for ever.
test('start: the disk fails at any call of it: the node starts whole, or not at all', async () => {
  for (let call = 1; call <= CALLS; call += 1) {
    // With so little memory there is something to flush as soon as the store is open.
    const node = { partitionBits: 10, memtableBytes: 4_096 }
    await withCluster({ nodes: 3, seed: call, node }, async (cluster) => {
      const client = await connectClient(cluster)
      await cluster.run(Promise.all(KEYS.map((key) => client.set(key, 'v'.repeat(300)))))
      cluster.kill(2)
      const { faults } = cluster.machine(2).disk
      const before = cluster.machine(2).disk.ioCalls
      faults.failCall(before + call, 'EIO', { permanent: true })
      const started = await cluster.run(
        cluster.restart(2).then(
          () => true,
          () => false,
        ),
      )
      await cluster.advance(2_000)
      faults.clear()
      if (!started || !cluster.isRunning(2)) return
      await cluster.advance(2_000)
      await cluster.run(client.set('key', 'v', { consistency: 'ALL' }))
    })
  }
})
