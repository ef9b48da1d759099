import {
  CassioError,
  type RepairApply,
  type RepairBegin,
  type RepairCommit,
  type RepairDigests,
  type RepairFetch,
  type RepairLeaves,
  type RepairList,
  type RepairMark,
  type RepairPrepare,
  STAMP_MS_MAX,
} from '@cassiopeia/protocol'
import { DIGEST_LEAVES } from '@cassiopeia/storage'
import type { RepairPeer } from './repair-peer'

type Fields = Readonly<Record<string, unknown>>

/**
 * Serves another replica's calls: checks what they carry, and asks this node's own side.
 *
 * @param holds Whether this node is a replica of a partition.
 * @returns undefined when the method is none of these. @throws CassioError CASSIO_INVALID and what
 * `own` throws.
 */
export function serveRepair(
  own: RepairPeer,
  holds: (partition: number) => boolean,
  method: string,
  params: unknown,
): Promise<unknown> | undefined {
  const serve = SERVICES[method]
  if (serve === undefined) return undefined
  const fields = (typeof params === 'object' && params !== null ? params : {}) as Fields
  const isHeld = (each: unknown) => Number.isInteger(each) && holds(each as number)
  const { partition, partitions } = fields
  const isSound =
    partitions === undefined
      ? isHeld(partition)
      : Array.isArray(partitions) && partitions.length > 0 && partitions.every(isHeld)
  if (!isSound || !hasLimits(fields)) throw malformed()
  return serve(own, fields)
}

const SERVICES: Readonly<Record<string, (own: RepairPeer, call: Fields) => Promise<unknown>>> =
  Object.freeze({
    'repair-begin': (own, call) => own.begin(checked<RepairBegin>(call, isRising(call))),
    'repair-digests': (own, call) =>
      own.digests(checked<RepairDigests>(call, isRising(call) && hasProofs(call))),
    'repair-leaves': (own, call) =>
      own.leaves(checked<RepairLeaves>(call, isMs(call.cutoffMs) && isMs(call.provenMs))),
    'repair-list': (own, call) =>
      own.list(
        checked<RepairList>(
          call,
          isMs(call.cutoffMs) &&
            isMs(call.provenMs) &&
            isBytes(call.leaves) &&
            call.leaves.length === DIGEST_LEAVES / 8 &&
            (call.afterKey === undefined || isBytes(call.afterKey)),
        ),
      ),
    'repair-fetch': (own, call) =>
      own.fetch(checked<RepairFetch>(call, isList(call.keys) && call.keys.every(isBytes))),
    'repair-apply': (own, call) =>
      own.apply(checked<RepairApply>(call, isList(call.cells) && call.cells.every(isBytes))),
    'repair-prepare': (own, call) =>
      own.prepare(
        checked<RepairPrepare>(call, isRising(call) && Number.isSafeInteger(call.generation)),
      ),
    'repair-commit': (own, call) => own.commit(checked<RepairCommit>(call, isRising(call))),
    'repair-mark': (own, call) => own.mark(checked<RepairMark>(call, isRising(call))),
  })

function checked<Call>(call: Fields, isSound: boolean): Call {
  if (!isSound) throw malformed()
  return call as unknown as Call
}

function malformed(): CassioError {
  return new CassioError('CASSIO_INVALID', 'the repair request is malformed')
}

function isRising({ partitions }: Fields): boolean {
  return isList(partitions) && partitions.every((each, i) => i === 0 || partitions[i - 1]! < each!)
}

function hasProofs({ partitions, provenMs }: Fields): boolean {
  return (
    isList(provenMs) &&
    provenMs.length === (partitions as unknown[]).length &&
    provenMs.every((each) => isMs(each))
  )
}

function hasLimits({ cutoffMs }: Fields): boolean {
  return cutoffMs === undefined || isMs(cutoffMs)
}

function isMs(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < STAMP_MS_MAX
}

function isBytes(value: unknown): value is Buffer {
  return value instanceof Uint8Array && value.length > 0
}

function isList(value: unknown): value is (number | Buffer)[] {
  return Array.isArray(value)
}
