// The CommonJS build under its names for `import`. Both ways of loading share one module, so an error
// is an `instanceof CassioError` whichever way each side came by the class.
import client from './dist/index.js'

export const {
  CassioClient,
  CassioError,
  CONSISTENCY_LEVELS,
  ConsistencyLevel,
  DEFAULT_PORT,
  ERROR_CODES,
  parseConsistencyLevel,
} = client
