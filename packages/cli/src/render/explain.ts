import type { Explanation, PurgeState, ReplicaVote } from '@cassiopeia/protocol'
import { formatBytes, formatDuration } from '../units'
import { renderAge, shortId } from './status'
import type { Style } from './style'
import { renderTable } from './table'

/** The ballot on one key: each replica's vote, who won, and by which rule. Pure. */
export function renderExplanation(key: string, explanation: Explanation, style: Style): string {
  const { partition, epoch, coordinator, votes, wallMs } = explanation
  const heading =
    `${style.bold(key)}  partition ${partition}  epoch ${epoch}  ` +
    `asked through ${coordinator} at ${new Date(wallMs).toISOString()}`
  const table = renderTable(
    [
      { title: 'REPLICA' },
      { title: 'ID' },
      { title: 'STATE' },
      { title: 'VERDICT' },
      { title: 'STAMP' },
      { title: 'VALUE', align: 'right' },
      { title: 'EXPIRES', align: 'right' },
      { title: 'LATENCY', align: 'right' },
      { title: 'PROVEN UP TO' },
    ],
    votes.map((vote) => renderVote(vote, wallMs, style)),
    style,
  )
  const winner = explanation.winner === null ? '' : `, stamp ${renderStamp(explanation.winner)}`
  return [
    heading,
    '',
    table,
    '',
    `outcome  ${OUTCOMES[explanation.outcome]}${winner}`,
    `rule     ${explanation.rule}`,
    ...(explanation.purge === null ? [] : renderPurge(explanation.purge)),
  ].join('\n')
}

const OUTCOMES: Readonly<Record<Explanation['outcome'], string>> = Object.freeze({
  value: 'a value',
  tombstone: 'deleted',
  expired: 'expired',
  none: 'never written, or forgotten',
})

function renderVote(vote: ReplicaVote, wallMs: number, style: Style): string[] {
  const colour = { newest: style.green, stale: style.yellow, silent: style.red }[vote.verdict]
  return [
    vote.address,
    shortId(vote.node),
    vote.state,
    colour(vote.verdict),
    vote.stamp ?? '-',
    vote.state === 'value' ? formatBytes(vote.valueBytes) : '-',
    renderExpiry(vote.expiryMs, wallMs),
    vote.verdict === 'silent' ? '-' : `${vote.latencyMs.toFixed(1)}ms`,
    vote.provenMs > 0 && isTime(vote.provenMs) ? new Date(vote.provenMs).toISOString() : '-',
  ]
}

/** Whether a tombstone may be forgotten, and who keeps it from that. */
function renderPurge({ state, leader, verifiedMs, blockers }: PurgeState): string[] {
  const verified =
    verifiedMs < 0
      ? `${leader} has not found all replicas equal yet`
      : `${leader} found all replicas equal ${renderAge(verifiedMs)}`
  if (state === 'proven') {
    return ['purge    every replica has it; it may be forgotten', `         ${verified}`]
  }
  return [
    'purge    it must be kept until all replicas are known to have it',
    `         ${verified}`,
    ...blockers.map(({ node, reason }) => `         blocked by ${node}: ${reason}`),
  ]
}

/** @param expiryMs Wall-clock milliseconds; 0 when the cell does not expire. */
function renderExpiry(expiryMs: number, wallMs: number): string {
  if (expiryMs === 0) return '-'
  const leftMs = expiryMs - wallMs
  return leftMs > 0 ? `in ${formatDuration(leftMs)}` : `${formatDuration(-leftMs)} ago`
}

/** A stamp with the time it stands for. */
export function renderStamp(stamp: string): string {
  const ms = Number(/^\d+/.exec(stamp)?.[0])
  return isTime(ms) ? `${stamp} (${new Date(ms).toISOString()})` : stamp
}

/** 8.64e15 ms is the last day that a Date can hold; a stamp cannot reach it, foreign text might. */
function isTime(ms: number): boolean {
  return ms <= 8.64e15
}
