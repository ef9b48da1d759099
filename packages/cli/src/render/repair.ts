import type { RepairReport, RepairSummary } from '@cassiopeia/client'
import { formatBytes } from '../units'
import type { Style } from './style'
import { renderTable } from './table'

const BAR_LENGTH = 24

/** How far a repair is, in one line: the bar, then the counts. Pure. */
export function renderRepairProgress(report: RepairReport): string {
  const { done, total, waiting } = report
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.floor(share * BAR_LENGTH)
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_LENGTH - filled)}]`
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  const parts = [`${bar} ${percent}`, `${done} of ${count(total, 'partition')}`]
  if (report.differed > 0) parts.push(`${report.differed} differed`)
  if (report.cells > 0) parts.push(`${count(report.cells, 'cell')} copied`)
  if (report.failures.length > 0) parts.push('not all verified')
  if (waiting.length > 0) parts.push(`an earlier run on ${waiting.join(', ')} ends first`)
  return parts.join('  ')
}

/** What a repair has done, in words, then why partitions were not verified. Pure. */
export function renderRepair(summary: RepairSummary, style: Style): string {
  const { total, verified, failures } = summary
  const isComplete = verified === total
  const paint = isComplete ? style.green : style.yellow
  const lines = [
    `${paint(`${verified} of ${count(total, 'partition')} verified`)}; ${renderCopied(summary)}`,
  ]
  if (!isComplete) {
    lines.push(
      'A partition is verified when all its replicas took part and were found equal. The others ' +
        'are tried again by themselves.',
    )
  }
  if (failures.length > 0) lines.push('', renderFailures(failures, style))
  return lines.join('\n')
}

function renderCopied({ differed, cells, bytes }: RepairSummary): string {
  if (differed === 0) return 'no difference was found'
  return (
    `replicas differed in ${differed}, ${count(cells, 'cell')} (${formatBytes(bytes)}) ` +
    `${cells === 1 ? 'was' : 'were'} copied`
  )
}

/** By node, and for each the reason of most partitions first. */
function renderFailures(failures: RepairSummary['failures'], style: Style): string {
  const sorted = [...failures].sort(
    (a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }) || b.partitions - a.partitions,
  )
  const rows = sorted.map(({ node, partitions, reason }, i) => [
    node === sorted[i - 1]?.node ? '' : node,
    partitions === 0 ? '-' : String(partitions),
    reason,
  ])
  const columns = [
    { title: 'NODE' },
    { title: 'PARTITIONS', align: 'right' },
    { title: 'REASON' },
  ] as const
  return renderTable(columns, rows, style)
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
