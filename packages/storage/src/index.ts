/**
 * One node's durable map of cells.
 *
 * `store` is the contract, `open-store` puts an implementation together from `options` and ports.
 * `log-store` gathers writes into batches; `commit-log/` makes them durable; `memtable/` finds their
 * cells; `recovery` replays the one into the other. `record-file` keeps small facts beside them.
 */
export { openStore, type StorePorts } from './open-store'
export { STORE_OPTIONS, type StoreOptions, type SyncMode } from './options'
export { readRecord, writeRecord } from './record-file'
export * from './store'
