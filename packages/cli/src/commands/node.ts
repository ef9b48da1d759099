import { createLogger, type LogFields, type Logger, nodePorts } from '@cassiopeia/env'
import { CassioError, errorToWire } from '@cassiopeia/protocol'
import { NODE_OPTIONS, type Node, type NodeOptions, startNode } from '@cassiopeia/server'
import { ExitCode } from '../exit-codes'
import { type Io, say } from '../io'
import { isStay, type NodeMessage } from '../local-cluster/node-messages'
import { renderError, toCassioError } from '../render/error'
import { onStopSignal } from '../signals'
import { nodeFlags, readNodeFlags } from './node-flags'
import { config, readSecret } from './secret'

export interface NodeFlags extends Readonly<Record<string, string | undefined>> {
  readonly secretFile?: string
  readonly logLevel?: string
}

export const LOG_LEVELS = Object.freeze(['debug', 'info', 'warn', 'error', 'silent'] as const)
type LogLevel = (typeof LOG_LEVELS)[number]

/**
 * Runs one node until a signal stops it. Lines of JSON go to standard error, and one line to standard
 * output when the node listens and one when the cluster has formed; a parent that opened an IPC
 * channel gets the same as messages.
 *
 * Crash-only: what cannot be handled is logged and ends the process with `ExitCode.fatal`; the next
 * start recovers.
 */
export async function runNode(flags: NodeFlags, io: Io): Promise<number> {
  const logger = createLogger({ level: readLogLevel(flags.logLevel) })
  const die = (event: string) => (error: unknown) => {
    logger.error(event, { error })
    void announceFailure(error)
    process.exit(ExitCode.fatal)
  }
  process.on('uncaughtException', die('uncaught exception: the node ends'))
  process.on('unhandledRejection', die('unhandled rejection: the node ends'))

  // The signals are heard from the start: a node may be told to stop while it recovers.
  const stopping = stopRequested(logger)
  let node: Node
  try {
    node = await startNode(readOptions(flags, io, logger, die('the node cannot go on')))
  } catch (error) {
    await announceFailure(error)
    // A person reads sentences, whatever collects the log reads JSON.
    if (io.errors.isTTY) say(io, renderError(error, io.errorStyle))
    else logger.error('the node did not start', fieldsOf(error))
    return ExitCode.error
  }
  announce(io, { type: 'listening', nodeId: node.nodeId, address: node.address })
  // Rejected when the node is closed before the others have come.
  node.formed.then(
    ({ clusterId, epoch }) => announce(io, { type: 'formed', clusterId, epoch }),
    () => {},
  )
  await stopping
  await node.close()
  return ExitCode.ok
}

function readOptions(
  flags: NodeFlags,
  io: Io,
  logger: Logger,
  onFatal: (error: unknown) => void,
): NodeOptions {
  const secret = readSecret(flags.secretFile, io.environment)
  return {
    ...readNodeFlags(nodeFlags(NODE_OPTIONS), flags),
    ...(secret === undefined ? {} : { secret }),
    ports: nodePorts({ logger }),
    onFatal,
  }
}

/** A failure that has a code needs no stack to be understood. */
function fieldsOf(error: unknown): LogFields {
  if (!(error instanceof CassioError) || error.code === 'CASSIO_INTERNAL') return { error }
  const { code, message, advice, causes } = error
  return { code, message, advice, ...(causes.length === 0 ? {} : { causes }) }
}

/** Resolves when a signal or the end of a parent that wanted to be outlived by nobody says stop. */
function stopRequested(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const stop = (reason: string) => {
      logger.info('asked to stop', { reason })
      resolve()
    }
    onStopSignal(['SIGINT', 'SIGTERM'], stop)
    if (process.send === undefined) return
    let stays = false
    process.on('message', (message) => {
      if (isStay(message)) stays = true
    })
    process.on('disconnect', () => {
      if (!stays) stop('the process that started the node has ended')
    })
  })
}

/** For people and programs that wait for it: one line of JSON, and a message to the parent. */
function announce(io: Io, message: NodeMessage): void {
  io.output.write(`${JSON.stringify(message)}\n`)
  void tellParent(message)
}

function announceFailure(error: unknown): Promise<void> {
  return tellParent({ type: 'failed', error: errorToWire(toCassioError(error)) })
}

/** Resolves when the message has been handed over, or nobody is there to take it. */
function tellParent(message: NodeMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, () => resolve())
  })
}

function readLogLevel(text = 'info'): LogLevel {
  const level = LOG_LEVELS.find((each) => each === text)
  if (level !== undefined) return level
  throw config(`--log-level is one of ${LOG_LEVELS.join(', ')}, not ${JSON.stringify(text)}`)
}
