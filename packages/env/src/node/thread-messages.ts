import type { ErrorDescription } from '../job-errors'

/** What `ThreadWorkers` and `worker-thread.ts` say to each other. */

/** What a thread is born with. */
export interface ThreadData {
  readonly module: string
  readonly name: string
  /** One shared word: jobs up to this id are cancelled. A busy job sees it without yielding. */
  readonly cancelledId: Int32Array
}

/** The ids of a thread's jobs rise from 1. */
export interface ThreadRequest {
  readonly id: number
  readonly job: unknown
}

export type ThreadReply =
  | { readonly type: 'progress'; readonly id: number; readonly message: unknown }
  | { readonly type: 'done'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorDescription }
