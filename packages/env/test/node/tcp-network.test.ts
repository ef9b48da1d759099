import { networkInterfaces } from 'node:os'
import { TcpNetwork } from '../../src'
import { networkConformance } from '../conformance/network-conformance'

function harnessOn(host: string) {
  return async () => ({
    server: new TcpNetwork(),
    client: new TcpNetwork(),
    host,
    run: <T>(body: () => Promise<T>) => body(),
  })
}

networkConformance('tcp network', harnessOn('127.0.0.1'))

const addresses = Object.values(networkInterfaces()).flat()
if (addresses.some((entry) => entry?.address === '::1')) {
  networkConformance('tcp network over IPv6', harnessOn('::1'))
}
