import type {
  HintStatus,
  MemberStatus,
  NodeLoad,
  NodeStatus,
  RepairStatus,
} from '@cassiopeia/protocol'
import { formatBytes, formatDuration } from '../units'
import type { Style } from './style'
import { type Column, renderTable } from './table'

/** What one node knows of itself and of the members. Pure. */
export function renderStatus(status: NodeStatus, verbose: boolean, style: Style): string {
  const parts = [
    renderCluster(status, style),
    renderMembers(status, verbose, style),
    renderOldest(status, style),
  ]
  if (verbose) parts.push(renderNode(status), renderCounters(status, style))
  return parts.filter((part) => part !== '').join('\n\n')
}

function renderCluster(status: NodeStatus, style: Style): string {
  if (status.clusterId === '') {
    const missing = status.missing.length === 0 ? 'the others to agree' : status.missing.join(', ')
    return style.yellow(`not formed yet; ${status.address} waits for ${missing}`)
  }
  const partitions = 2 ** status.partitionBits
  return (
    `${style.bold(`cluster ${shortId(status.clusterId)}`)}  epoch ${status.epoch}  ` +
    `RF ${status.replicationFactor}  ${partitions} partitions  ` +
    `${status.members.length} ${status.members.length === 1 ? 'member' : 'members'}`
  )
}

function renderMembers(status: NodeStatus, verbose: boolean, style: Style): string {
  if (status.members.length === 0) return ''
  const datacenters = new Set(status.members.map((member) => member.datacenter)).size
  const hasHints = status.members.some(({ load }) => load !== null && load.hintBytes > 0)
  const columns: Column[] = [
    { title: 'ADDRESS' },
    { title: 'ID' },
    ...(datacenters > 1 ? [{ title: 'DATACENTER' }] : []),
    { title: 'RACK' },
    { title: 'STATE' },
    ...[
      ...['PHI', 'HEARTBEAT', 'KEYS', 'BYTES'],
      ...(hasHints ? ['HINTS'] : []),
      ...['PARTITIONS', 'VERIFIED', 'LATENCY'],
    ].map((title) => ({ title, align: 'right' as const })),
  ]
  const members = [...status.members].sort((a, b) => compareAddresses(a.address, b.address))
  const rows = members.map((member) => {
    const isSelf = member.id === status.nodeId
    return [
      // The node that answered is marked: the verdicts are its own.
      isSelf ? `${member.address} *` : member.address,
      verbose ? member.id : shortId(member.id),
      ...(datacenters > 1 ? [member.datacenter] : []),
      member.rack,
      renderState(member, isSelf, style),
      member.phi.toFixed(1),
      `${member.generation}:${member.heartbeat}`,
      member.load === null ? '-' : String(member.load.keys),
      member.load === null ? '-' : formatBytes(member.load.cellBytes),
      ...(hasHints ? [renderHints(member)] : []),
      String(member.partitions),
      leads(member) ? renderAge(member.load.unverifiedMs) : '-',
      isSelf || member.latencyMs === 0 ? '-' : `${member.latencyMs.toFixed(1)}ms`,
    ]
  })
  return `${renderTable(columns, rows, style)}\n${style.dim('* the node that answered')}`
}

function renderHints({ load }: MemberStatus): string {
  return load === null || load.hintBytes === 0 ? '-' : formatBytes(load.hintBytes)
}

/** What is known of a member that is down is past: others lead its partitions now. */
function leads(member: MemberStatus): member is MemberStatus & { load: NodeLoad } {
  return member.load !== null && member.state === 'alive'
}

/** Of all partitions, the one that was verified longest ago. */
function renderOldest({ members }: NodeStatus, style: Style): string {
  const leaders = members.filter(leads)
  if (leaders.length === 0) return ''
  const rank = ({ load }: { load: NodeLoad }) =>
    load.unverifiedMs < 0 ? Infinity : load.unverifiedMs
  const oldest = leaders.reduce((so, member) => (rank(member) > rank(so) ? member : so))
  const { unverifiedMs } = oldest.load
  const age =
    unverifiedMs < 0 ? style.yellow('never verified') : `verified ${renderAge(unverifiedMs)}`
  return `longest unverified partition: ${age}, led by ${oldest.address}`
}

/** @param ms Milliseconds since; below 0 for never. In whole seconds. */
export function renderAge(ms: number): string {
  if (ms < 0) return 'never'
  if (ms < 1_000) return 'just now'
  return `${formatDuration(ms - (ms % 1_000))} ago`
}

function renderState(member: MemberStatus, isSelf: boolean, style: Style): string {
  const colour = { alive: style.green, suspected: style.red, unknown: style.yellow }[member.state]
  const state = colour(member.state)
  return isSelf || member.connected ? state : `${state}, no connection`
}

function renderNode(status: NodeStatus): string {
  const own = status.members.find((member) => member.id === status.nodeId)?.load
  const lines = [
    `node ${status.nodeId} at ${status.address}, version ${status.version}, ` +
      `up ${formatDuration(status.uptimeMs)}`,
    `${status.clients} clients, ${status.operationsInFlight} operations in flight`,
  ]
  if (own) {
    lines.push(
      `${formatBytes(own.memoryBytes)} of memory for cells, ` +
        `${formatBytes(own.logBytes)} of commit log, ${own.requests} requests answered`,
    )
  }
  lines.push(renderKeptHints(status.hints), renderRepairStatus(status.repair))
  return lines.join('\n')
}

function renderKeptHints({ bytes, oldestMs, peers }: HintStatus): string {
  if (bytes === 0 && peers.length === 0) return 'no hints kept'
  const each = peers.map(({ address, bytes: own }) => `${formatBytes(own)} for ${address}`)
  return `hints kept: ${each.join(', ')}; the oldest for ${formatDuration(oldestMs)}`
}

function renderRepairStatus(repair: RepairStatus): string {
  const parts = [
    `leads the repair of ${repair.leads} partitions`,
    repair.neverVerified > 0 && `${repair.neverVerified} never verified`,
    repair.marked > 0 && `${repair.marked} marked as lacking something`,
    repair.blocked > 0 && `${repair.blocked} blocked by a replica`,
    repair.active && 'comparing now',
    !repair.enabled && 'does so only when told (--anti-entropy false)',
  ]
  return parts.filter((part) => part !== false).join(', ')
}

function renderCounters(status: NodeStatus, style: Style): string {
  const rows = Object.entries(status.counters).map(([name, count]) => [name, String(count)])
  if (rows.length === 0) return ''
  return renderTable([{ title: 'COUNTER' }, { title: 'SINCE START', align: 'right' }], rows, style)
}

/** As people count: port 9000 before 10000. */
function compareAddresses(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

/** The first group of a UUID: enough to tell the members of a cluster apart by eye. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}
