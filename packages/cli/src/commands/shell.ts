import { readFile } from 'node:fs/promises'
import { abortable } from '../abortable'
import { ExitCode } from '../exit-codes'
import { type Io, isInteractive, say } from '../io'
import { History, historyPath } from '../shell/history'
import { Notices } from '../shell/notices'
import { Repl } from '../shell/repl'
import { runScript } from '../shell/script'
import { Session } from '../shell/session'
import { StopRequest } from '../signals'
import { invalid } from '../verbs/input'
import { type ConnectFlags, type ConnectSettings, openClient, readConnectFlags } from './connect'

/** `cassio shell`: a shell on a cluster that runs. */
export async function runShell(flags: ConnectFlags, io: Io): Promise<number> {
  const settings = readConnectFlags(flags, io.environment)
  const stop = new StopRequest(['SIGINT', 'SIGTERM', 'SIGHUP'])
  try {
    return stop.exitCode(await openShell(settings, io, stop.signal))
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return stop.exitCode(ExitCode.error)
  } finally {
    stop.forget()
  }
}

/**
 * A shell until its user leaves, its input ends, or `signal` says so: with a prompt for a person at a
 * terminal, otherwise a script of lines.
 * @returns the exit code.
 */
export async function openShell(
  settings: ConnectSettings,
  io: Io,
  signal: AbortSignal,
  notices = new Notices((text) => say(io, text)),
): Promise<number> {
  const { consistency, timeoutMs } = settings
  const interactive = isInteractive(io)
  const { client, connected } = openClient(settings)
  const session = new Session({
    client,
    connected,
    io,
    interactive,
    ...(consistency === undefined ? {} : { consistency }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    monotonicMs: () => performance.now(),
    readFile: (path) => {
      if (path === '-') throw invalid('standard input is where the commands come from')
      return readFile(path)
    },
  })
  try {
    await abortable(connected, signal)
    if (interactive) {
      say(io, `cassio shell on ${settings.contactPoints.join(', ')}; help lists the verbs`)
      const history = new History(historyPath(io.environment))
      await new Repl(session, io, history, notices).run(signal)
      return ExitCode.ok
    }
    const failed = await runScript(session, io, AbortSignal.any([signal, io.readerGone]))
    return failed === 0 ? ExitCode.ok : ExitCode.error
  } finally {
    await client.disconnect()
  }
}
