import { type AddressInfo, createServer, type Server } from 'node:net'
import { CassioError } from '@cassiopeia/protocol'
import { LOCAL_HOST, portsFrom, requireFreePorts, takenPorts } from '../../src/local-cluster/ports'

const servers: Server[] = []

function listen(port = 0): Promise<number> {
  const server = createServer()
  servers.push(server)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: LOCAL_HOST, port }, () => resolve((server.address() as AddressInfo).port))
  })
}

async function closeAll(): Promise<void> {
  await Promise.all(servers.splice(0).map((each) => new Promise((done) => each.close(done))))
}

afterEach(closeAll)

describe('ports', () => {
  test('from a base: one after the other', () => {
    expect(portsFrom(9000, 3)).toEqual([9000, 9001, 9002])
    expect(portsFrom(65_535, 1)).toEqual([65_535])
  })

  test.each([
    [65_534, 3],
    [0, 1],
  ])('from %d, %d of them: leave the range and are refused', (base, count) => {
    expect(() => portsFrom(base, count)).toThrow(/--base-port/)
  })

  test('those that somebody listens on: are found, and freed when he stops', async () => {
    const ports = [await listen(), await listen()]
    expect(await takenPorts(ports)).toEqual(ports)
    await closeAll()
    expect(await takenPorts(ports)).toEqual([])
  })

  test('taken ports: are named in the error, with a place where there is room', async () => {
    const taken = await listen()
    const error = await requireFreePorts([taken]).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(CassioError)
    expect(error.code).toBe('CASSIO_ADDRESS_IN_USE')
    expect(error.message).toContain(`port ${taken} on 127.0.0.1 is taken`)
    const suggested = Number(/--base-port (\d+)/.exec(error.message)?.[1])
    if (!Number.isNaN(suggested)) expect(await takenPorts([suggested])).toEqual([])
  })
})
