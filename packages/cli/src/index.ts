/** The command as a function: `main(args, io)` with streams of the caller's own. */
export { ExitCode } from './exit-codes'
export { type Io, makeIo } from './io'
export { main } from './main'
