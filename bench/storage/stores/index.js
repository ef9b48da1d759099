/** The stores compared; each file adapts one to the same few methods and is loaded when used. */
const FILES = { ours: './ours', 'classic-level': './classic-level', lmdb: './lmdb' }

const STORE_NAMES = Object.keys(FILES)
const storeClass = (name) => require(FILES[name]).Store

module.exports = { STORE_NAMES, storeClass }
