import { CommanderError } from 'commander'
import { ExitCode } from './exit-codes'
import { flushed, type Io, processIo, say } from './io'
import { makeProgram } from './program'
import { errorToJson, renderError } from './render/error'

/**
 * The `cassio` command. `program` names the commands and their flags, `commands/` runs them,
 * `verbs/` holds what can be asked of a cluster, `shell/` the interactive and the piped shell,
 * `local-cluster/` the processes of a cluster on one machine, `render/` what is printed.
 *
 * @param args Without the names of node and script.
 * @returns the exit code, see `ExitCode`.
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = ExitCode.ok
  const program = makeProgram(args, io, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.error
    say(io, args.includes('--json') ? errorToJson(error) : renderError(error, io.errorStyle))
    if (io.environment.CASSIO_DEBUG) say(io, String((error as Error).stack))
    return ExitCode.error
  }
}

/** What `bin/cassio.js` calls. Ends the process: nothing that is left open may keep it alive. */
export async function runProcess(): Promise<void> {
  forgetEmptySettings(process.env)
  const exitCode = await main(process.argv.slice(2), processIo())
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  process.exit(exitCode)
}

/** A variable that is set to nothing is as good as unset, except where nothing means off. */
function forgetEmptySettings(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    const isSetting = name.startsWith('CASSIO_') && name !== 'CASSIO_HISTORY'
    if (isSetting && value === '') delete environment[name]
  }
}
