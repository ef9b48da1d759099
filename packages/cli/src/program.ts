import { Command, Option } from 'commander'
import { environmentName } from './commands/node-flags'
import type { Io } from './io'
import { wrap } from './render/help'
import { VERBS } from './verbs'
import { optionsOf } from './verbs/input'
import type { Verb } from './verbs/verb'
import { readVersion } from './version'

/** Receives the exit code of the command that was run. */
type Finish = (exitCode: number) => void

/**
 * Names all commands and their flags. What runs them is loaded when it is needed, so that a `get`
 * does not wait for the server's code.
 *
 * @param args What is about to be parsed: the flags of `node` come from the server's own table, which
 *   is loaded only for that command.
 */
export function makeProgram(args: readonly string[], io: Io, finish: Finish): Command {
  const program = new Command('cassio')
    .description('Cassiopeia: a replicated key-value database. Run nodes, and talk to them.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help on a command')
    // These three are inherited by the commands, so they come first.
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.output.write(text),
      writeErr: (text) => io.errors.write(text),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
    })
    .showHelpAfterError('(--help tells more)')
    .configureHelp({
      subcommandTerm: (command) => {
        const operands = command.registeredArguments.map((each) => {
          const name = each.variadic ? `${each.name()}...` : each.name()
          return each.required ? ` ${name}` : ` [${name}]`
        })
        return command.name() + operands.join('')
      },
    })
  addNode(program, io, finish, isAboutNode(args))
  addCluster(program, io, finish)
  addShell(program, io, finish)
  program.commandsGroup('Verbs:')
  for (const verb of VERBS) addVerb(program, verb, io, finish)
  program.addHelpText('after', PROGRAM_HELP)
  return program
}

const PROGRAM_HELP = `
Examples:
  cassio cluster start --nodes 3 --detach     three nodes on this machine, data in ./data
  cassio set ryan jiang                       through 127.0.0.1:9000
  cassio get ryan --consistency ALL
  cassio shell                                the same verbs at a prompt
  cassio cluster stop

Exit codes: 0 done; 1 the answer is no (not found, not running); 2 an error, which standard error
names with its code; 3 a node could not go on; 128 + n ended by signal n.

Environment: every flag marked (env: CASSIO_...) can be set there; a flag goes before it.
CASSIO_SECRET is the shared secret itself. NO_COLOR turns colours off. CASSIO_DEBUG=1 adds stack
traces to errors. CASSIO_HISTORY is the shell's history file, or off.
`

function isAboutNode([first, second]: readonly string[]): boolean {
  return first === 'node' || (first === 'help' && second === 'node')
}

function addNode(program: Command, io: Io, finish: Finish, withFlags: boolean): void {
  const command = program
    .command('node')
    .summary('run one node until it is stopped')
    .description(
      'Runs one node until SIGTERM or SIGINT. It logs lines of JSON to standard error, and writes ' +
        'one line of JSON to standard output when it listens and one when the cluster has formed.',
    )
    .addHelpText(
      'after',
      `
Examples:
  cassio node --listen 127.0.0.1:9000 --members 127.0.0.1:9000,127.0.0.1:9001,127.0.0.1:9002 \\
    --data /var/lib/cassiopeia/9000
  CASSIO_LISTEN=0.0.0.0:9000 CASSIO_ADVERTISE=10.0.0.1:9000 CASSIO_MEMBERS=10.0.0.1:9000,... \\
    CASSIO_DATA=/data cassio node --secret-file /run/secrets/cassio

Exit codes: 0 stopped as asked, 2 it could not start, 3 it could not go on (start it again).
`,
    )
    .addOption(secretFileOption())
    .addOption(logLevelOption())
    .action(async (flags) => {
      const { runNode } = require('./commands/node') as typeof import('./commands/node')
      finish(await runNode(flags, io))
    })
  if (!withFlags) return
  const { NODE_OPTIONS } = require('@cassiopeia/server') as typeof import('@cassiopeia/server')
  const { nodeFlags } = require('./commands/node-flags') as typeof import('./commands/node-flags')
  for (const { name, value, summary } of nodeFlags(NODE_OPTIONS)) {
    command.addOption(withEnvironment(`--${name} <${value}>`, name, summary))
  }
}

function addCluster(program: Command, io: Io, finish: Finish): void {
  const cluster = program
    .command('cluster')
    .summary('start, look at and stop a cluster on this machine')
    .description(
      'A cluster of separate processes on this machine, for development and tests. Each node keeps ' +
        'its data and its log, node.log, in DIR/PORT; DIR/cluster.json records the processes.',
    )
  cluster
    .command('start')
    .summary('start nodes and wait until they have agreed')
    .description(
      'Starts the nodes that do not run yet and waits until all report the same cluster map. Then ' +
        'it stays until Ctrl-C, and stops them; or see --detach and --shell. Without --nodes and ' +
        '--base-port it starts what was started in DIR before.',
    )
    .option('--nodes <N>', 'how many nodes (default 3)')
    .option('--base-port <PORT>', 'port of the first node; the others follow (default 9000)')
    .addOption(dataOption())
    .addOption(
      withEnvironment(
        '--rf <N>',
        'rf',
        'replicas of each key (default 3, or as many as there are nodes)',
      ),
    )
    .option('--detach', 'return when the cluster is ready, and leave it running')
    .option('--shell', 'open a shell on the cluster, and stop what was started when it ends')
    .addOption(secretFileOption())
    .option('--sync <MODE>', 'when a write is on disk: group, periodic or none')
    .option('--memory-bytes-max <SIZE>', 'memory for memtables and caches, for each node')
    .addOption(logLevelOption())
    .option('--start-timeout-ms <MS>', 'how long the nodes may take to agree', '60000')
    .option('--json', 'print one line of JSON when the cluster is ready')
    .addHelpText(
      'after',
      `
Examples:
  cassio cluster start --nodes 5 --base-port 9100
  cassio cluster start --detach --json
  printf 'set ryan jiang\\nget ryan\\n' | cassio cluster start --shell
`,
    )
    .action(async (flags) => {
      const { start } =
        require('./commands/cluster/start') as typeof import('./commands/cluster/start')
      finish(await start(flags, io))
    })
  cluster
    .command('status')
    .summary('print the processes, then the members; exit code 1 unless all nodes run')
    .addOption(dataOption())
    .addOption(secretFileOption())
    .option('--json', 'print one line of JSON')
    .action(async (flags) => {
      const { status } =
        require('./commands/cluster/status') as typeof import('./commands/cluster/status')
      finish(await status(flags, io))
    })
  cluster
    .command('stop')
    .summary('stop all nodes')
    .description(
      'Sends SIGTERM to all nodes and waits; after 10 seconds it kills those that are left.',
    )
    .addOption(dataOption())
    .option('--json', 'print one line of JSON')
    .action(async (flags) => {
      const { stop } =
        require('./commands/cluster/stop') as typeof import('./commands/cluster/stop')
      finish(await stop(flags, io))
    })
}

function addShell(program: Command, io: Io, finish: Finish): void {
  const command = program
    .command('shell')
    .summary('ask and answer at a prompt, or run lines from a pipe')
    .description(
      'A shell on a running cluster. From a terminal: line editing, history, completion with Tab. ' +
        'From a pipe: each line is run, only answers go to standard output, and the exit code is 2 ' +
        'when a line failed.',
    )
    .addHelpText(
      'after',
      `
Examples:
  cassio shell --contact 10.0.0.1:9000,10.0.0.2:9000
  printf 'set ryan jiang\\nget ryan\\n' | cassio shell
`,
    )
    .addOption(withEnvironment('--consistency <LEVEL>', 'consistency', 'level to begin with'))
    .addOption(withEnvironment('--timeout-ms <MS>', 'timeout-ms', 'limit for each request'))
    .action(async (flags) => {
      const { runShell } = require('./commands/shell') as typeof import('./commands/shell')
      finish(await runShell(flags, io))
    })
  addConnectOptions(command)
}

function addVerb(program: Command, verb: Verb, io: Io, finish: Finish): void {
  const command = program
    .command(verb.name)
    .summary(verb.summary)
    .description([verb.summary, ...wrap(verb.notes ?? '', 100)].join('\n'))
  for (const { name, optional, many } of verb.operands) {
    const text = many ? `${name}...` : name
    command.argument(optional ? `[${text}]` : `<${text}>`)
  }
  for (const { name, value, summary, many } of optionsOf(verb)) {
    const flags = value === undefined ? `--${name}` : `--${name} <${value}${many ? '...' : ''}>`
    const inEnvironment = name === 'consistency' || name === 'timeout-ms'
    if (inEnvironment) command.addOption(withEnvironment(flags, name, summary))
    else command.option(flags, summary)
  }
  addConnectOptions(command)
  command
    .option('--escapes', 'read \\xNN, \\n and the like in the words given')
    .addHelpText(
      'after',
      `\nExamples:\n${verb.examples.map((each) => `  cassio ${each}\n`).join('')}`,
    )
    .action(async () => {
      const { runVerbCommand } = require('./commands/verb') as typeof import('./commands/verb')
      finish(await runVerbCommand(verb, command.args, command.opts(), io))
    })
}

function addConnectOptions(command: Command): void {
  command
    .addOption(
      withEnvironment(
        '--contact <HOST:PORT,...>',
        'contact',
        'nodes to ask first; the others are learnt from them (default 127.0.0.1:9000)',
      ),
    )
    .addOption(secretFileOption())
}

function withEnvironment(flags: string, name: string, summary: string): Option {
  return new Option(flags, summary).env(environmentName(name))
}

function secretFileOption(): Option {
  return withEnvironment('--secret-file <PATH>', 'secret-file', 'file with the shared secret')
}

function logLevelOption(): Option {
  return withEnvironment(
    '--log-level <LEVEL>',
    'log-level',
    'debug, info, warn, error or silent (default info)',
  )
}

function dataOption(): Option {
  return new Option('--data <DIR>', 'directory of the cluster').default('data')
}
