import { resolve } from 'node:path'
import { planCluster } from '../../src/commands/cluster/plan'
import type { ClusterState } from '../../src/local-cluster/state-file'

const EARLIER: ClusterState = {
  version: 1,
  replicationFactor: 2,
  secretFile: '/secret',
  nodes: [9100, 9101, 9102, 9103].map((port) => ({ port, process: null })),
}

describe('cluster plan', () => {
  test('no flags, nothing earlier: three nodes from 9000, RF 3', () => {
    expect(planCluster({ data: 'data' }, undefined)).toEqual({
      directory: 'data',
      ports: [9000, 9001, 9002],
      replicationFactor: 3,
      secretFile: undefined,
      nodeFlags: [],
    })
  })

  test('fewer than three nodes: as many replicas', () => {
    expect(planCluster({ data: 'd', nodes: '1' }, undefined).replicationFactor).toBe(1)
    expect(planCluster({ data: 'd', nodes: '5' }, undefined).replicationFactor).toBe(3)
  })

  test('no flags: what was started here before', () => {
    expect(planCluster({ data: 'd' }, EARLIER)).toMatchObject({
      ports: [9100, 9101, 9102, 9103],
      replicationFactor: 2,
      secretFile: '/secret',
    })
  })

  test('flags: go before what was', () => {
    const plan = planCluster({ data: 'd', nodes: '2', basePort: '9500', rf: '1' }, EARLIER)
    expect(plan).toMatchObject({ ports: [9500, 9501], replicationFactor: 1 })
    expect(planCluster({ data: 'd', nodes: '4' }, EARLIER).ports).toEqual([9100, 9101, 9102, 9103])
    expect(planCluster({ data: 'd', nodes: '4' }, EARLIER).replicationFactor).toBe(2)
  })

  test('what every node gets: is passed on', () => {
    const flags = { data: 'd', sync: 'none', memoryBytesMax: '64MiB', logLevel: 'debug' }
    expect(planCluster({ ...flags, secretFile: 's' }, undefined)).toMatchObject({
      secretFile: resolve('s'),
      nodeFlags: ['--sync', 'none', '--memory-bytes-max', '64MiB', '--log-level', 'debug'],
    })
  })

  test.each<[object, RegExp]>([
    [{ nodes: '0' }, /--nodes is a whole number from 1 to 64/],
    [{ nodes: 'x' }, /--nodes is a whole number/],
    [{ basePort: '70000' }, /--base-port is a whole number/],
    [{ nodes: '2', rf: '3' }, /--rf 3 needs as many nodes, and --nodes is 2/],
    [{ basePort: '65535' }, /not all between/],
  ])('%j: is refused with the reason', (flags, message) => {
    expect(() => planCluster({ data: 'd', ...flags }, undefined)).toThrow(message)
  })
})
