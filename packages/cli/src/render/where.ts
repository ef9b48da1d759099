import type { KeyLocation } from '@cassiopeia/client'
import { shortId } from './status'
import type { Style } from './style'
import { renderTable } from './table'

/** The way from a key to its replicas: hash, point, partition, nodes. Pure. */
export function renderLocation(key: string, location: KeyLocation, style: Style): string {
  const { hash, vector, partition, epoch, replicas } = location
  const coordinates = vector.map((each) => (each < 0 ? '-' : '+') + Math.abs(each).toFixed(4))
  const half = Math.ceil(coordinates.length / 2)
  return [
    style.bold(key),
    // 52 bits.
    `hash       ${hash.toString(16).padStart(13, '0')}`,
    `vector     ${coordinates.slice(0, half).join(' ')}`,
    `           ${coordinates.slice(half).join(' ')}`,
    `partition  ${partition}  epoch ${epoch}`,
    '',
    renderTable(
      [{ title: 'REPLICA' }, { title: 'ID' }, { title: 'DATACENTER' }, { title: 'RACK' }],
      replicas.map((each) => [each.address, shortId(each.id), each.datacenter, each.rack]),
      style,
    ),
  ].join('\n')
}
