/**
 * The words that client, server and disk share. Pure: bytes in, bytes out.
 *
 * `cell` and `stamp` are what is stored; `frame` and `messages` what travels; `message-pack` guards
 * and decodes everything that is not hot; `errors` and `consistency-level` are the vocabulary of
 * outcomes; `auth` proves a shared secret; `cluster-map` says who owns data.
 */
export * from './address'
export * from './auth'
export * from './cell'
export * from './checksum'
export * from './cluster-map'
export * from './consistency-level'
export * from './control'
export * from './errors'
export * from './frame'
export * from './handshake'
export * from './message-pack'
export * from './messages'
export * from './option-table'
export * from './remote-clock'
export * from './stamp'
export * from './value'
export * from './vote'
