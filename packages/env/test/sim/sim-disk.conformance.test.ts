import { Simulation } from '../../src'
import { diskConformance } from '../conformance/disk-conformance'

diskConformance('sim disk', async () => {
  const simulation = new Simulation({ seed: 'disk' })
  const { disk } = simulation.process('node').ports
  await simulation.run(disk.makeDirectory('/data'))
  return { disk, directory: '/data', run: (body) => simulation.run(body) }
})
