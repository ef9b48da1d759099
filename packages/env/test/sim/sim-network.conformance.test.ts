import { type LinkOptions, Simulation } from '../../src'
import { networkConformance } from '../conformance/network-conformance'

function harness(seed: string, network: Partial<LinkOptions>) {
  return async () => {
    const simulation = new Simulation({ seed, network })
    return {
      server: simulation.process('server').ports.network,
      client: simulation.process('client').ports.network,
      host: 'server',
      run: <T>(body: () => Promise<T>) => simulation.run(body),
    }
  }
}

networkConformance('sim network', harness('calm', {}))
networkConformance('sim network, split', harness('split', { splitProbability: 0.7 }))
networkConformance(
  'sim network, slow',
  harness('slow', { tailProbability: 0.5, bytesPerMs: 1_000 }),
)
