/**
 * What a thread would have received of `value`, without the copy of its bytes: a Buffer becomes a
 * Uint8Array over the same memory, and an instance of a class an object with its own fields. So
 * code that runs inline meets what it will meet on a thread. Built-in objects pass as they are.
 *
 * @throws Error named 'DataCloneError' for a function or a symbol, as structured clone does.
 */
export function plainData(value: unknown): unknown {
  return copy(value, new Map())
}

/** @param copies Of the objects met so far: shared references stay shared, and cycles end. */
function copy(value: unknown, copies: Map<object, unknown>): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw cloneError(value)
  if (typeof value !== 'object' || value === null) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  if (Buffer.isBuffer(value)) {
    const view = new Uint8Array(value.buffer, value.byteOffset, value.length)
    copies.set(value, view)
    return view
  }
  if (Array.isArray(value)) {
    const array: unknown[] = []
    copies.set(value, array)
    for (const element of value) array.push(copy(element, copies))
    return array
  }
  // Not by the prototype: there may be several realms, each with an Object of its own.
  if (Object.prototype.toString.call(value) !== '[object Object]') return value
  const fields: Record<string, unknown> = {}
  copies.set(value, fields)
  for (const [name, field] of Object.entries(value)) fields[name] = copy(field, copies)
  return fields
}

function cloneError(value: unknown): Error {
  const error = new Error(`${String(value)} could not be cloned.`)
  Object.defineProperty(error, 'name', { value: 'DataCloneError' })
  return error
}
