import { existsSync } from 'node:fs'
import { ExitCode } from '../../exit-codes'
import { type Io, say } from '../../io'
import { stopCluster } from '../../local-cluster/running'
import { whileLocked } from './directory'

export interface StopFlags {
  readonly data: string
  readonly json?: boolean
}

/** `cassio cluster stop`. Stopping what does not run is no error. */
export async function stop(flags: StopFlags, io: Io): Promise<number> {
  const tell = (line: string) => say(io, line)
  const stopped = existsSync(flags.data)
    ? await whileLocked(flags.data, () => stopCluster(flags.data, tell))
    : 0
  if (flags.json) io.output.write(`${JSON.stringify({ directory: flags.data, stopped })}\n`)
  if (stopped === 0) say(io, `no cluster runs in ${flags.data}`)
  else say(io, `stopped ${stopped} ${stopped === 1 ? 'node' : 'nodes'} in ${flags.data}`)
  return ExitCode.ok
}
