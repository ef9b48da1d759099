import type { Disk, Random } from '@cassiopeia/env'
import { CassioError, pack, unpack } from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '@cassiopeia/storage'

/** Who a node is, for as long as its data directory lives. */
export interface Identity {
  readonly nodeId: string
  /** This start's number; each start has a higher one. */
  readonly generation: number
}

/** What a node was founded with; it refuses to start with anything else. */
export interface Founding {
  readonly address: string
  /** Sorted. */
  readonly members: readonly string[]
  readonly replicationFactor: number
  readonly partitionBits: number
}

interface IdentityRecord extends Identity, Founding {}

export function identityPath(dataDirectory: string): string {
  return `${dataDirectory}/identity`
}

/**
 * Reads who this node is and begins a new generation; makes a new identity in an empty directory.
 * `commit` makes it durable and is to be called once the directory is locked.
 *
 * @throws CassioError CASSIO_FOUNDING_MISMATCH when the data was founded otherwise, saying how.
 */
export async function openIdentity(
  dataDirectory: string,
  founding: Founding,
  ports: { disk: Disk; random: Random },
): Promise<Identity & { commit(): Promise<void> }> {
  const { disk, random } = ports
  const path = identityPath(dataDirectory)
  const bytes = await readRecord(disk, path)
  const known = bytes === undefined ? undefined : (unpack(bytes) as IdentityRecord)
  if (known !== undefined) refuseOtherFounding(known, founding, dataDirectory)
  const identity: Identity = {
    nodeId: known?.nodeId ?? newNodeId(random),
    generation: (known?.generation ?? 0) + 1,
  }
  const record: IdentityRecord = { ...founding, ...identity }
  return { ...identity, commit: () => writeRecord(disk, path, pack(record)) }
}

function refuseOtherFounding(known: Founding, given: Founding, dataDirectory: string): void {
  const differences: string[] = []
  const compare = (what: string, was: string | number, is: string | number): void => {
    if (was !== is) differences.push(`${what} was ${was}, now given ${is}`)
  }
  compare('the member list', known.members.join(','), given.members.join(','))
  compare("this node's address", known.address, given.address)
  compare('the replication factor', known.replicationFactor, given.replicationFactor)
  compare('partition bits', known.partitionBits, given.partitionBits)
  if (differences.length === 0) return
  throw new CassioError(
    'CASSIO_FOUNDING_MISMATCH',
    `the data in ${dataDirectory} was founded otherwise: ${differences.join('; ')}`,
  )
}

/** A random UUID, version 4. @see RFC 9562, section 5.4 */
function newNodeId(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return [...parts, hex.slice(20)].join('-')
}
