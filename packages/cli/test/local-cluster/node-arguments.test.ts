import { nodeArguments, nodeEnvironment } from '../../src/local-cluster/node-arguments'
import { isNodeMessage, isStay } from '../../src/local-cluster/node-messages'

const PLAN = {
  directory: 'data',
  ports: [9000, 9001],
  replicationFactor: 2,
  secretFile: undefined,
  nodeFlags: [],
}

describe('node arguments', () => {
  test('a plan: makes the command line of each node', () => {
    expect(nodeArguments(PLAN, 9001)).toEqual([
      ...['node', '--listen', '127.0.0.1:9001', '--members', '127.0.0.1:9000,127.0.0.1:9001'],
      ...['--data', 'data/9001', '--rf', '2'],
    ])
  })

  test('secret and flags: are passed on', () => {
    const plan = { ...PLAN, secretFile: '/s', nodeFlags: ['--sync', 'none'] }
    expect(nodeArguments(plan, 9000).slice(-4)).toEqual(['--secret-file', '/s', '--sync', 'none'])
  })

  test('environment: reaches the nodes, but for what only one node can be', () => {
    const environment = { PATH: '/bin', CASSIO_SYNC: 'none', CASSIO_ADVERTISE: 'a:1' }
    expect(nodeEnvironment(environment)).toEqual({ PATH: '/bin', CASSIO_SYNC: 'none' })
  })
})

describe('node messages', () => {
  test('strangers’ messages: are not ours', () => {
    for (const message of [null, undefined, 'formed', 5, {}, { type: 'other' }]) {
      expect(isNodeMessage(message)).toBe(false)
      expect(isStay(message)).toBe(false)
    }
    expect(isNodeMessage({ type: 'formed', clusterId: 'x', epoch: 1 })).toBe(true)
    expect(isStay({ type: 'stay' })).toBe(true)
  })
})
