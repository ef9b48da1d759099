/**
 * While a world is stepped, code must reach time and chance only through its ports. The guards
 * replace the usual ways around them by functions that throw, with a stack that shows the culprit.
 */
interface Guarded {
  readonly holder: Record<string, unknown>
  readonly property: string
  readonly name: string
}

const original = Symbol('original')

function guarded(): Guarded[] {
  const world = globalThis as unknown as Record<string, unknown>
  const holder = (name: string) => world[name] as Record<string, unknown>
  const names = (on: Record<string, unknown>, prefix: string, properties: string[]) =>
    properties.map((property) => ({ holder: on, property, name: `${prefix}${property}` }))
  return [
    ...names(holder('Date'), 'Date.', ['now']),
    ...names(holder('Math'), 'Math.', ['random']),
    ...names(holder('performance'), 'performance.', ['now']),
    ...names(holder('crypto'), 'crypto.', ['randomUUID', 'getRandomValues']),
    ...names(world, '', ['setTimeout', 'setInterval', 'setImmediate']),
  ]
}

/** Replaces the globals; does nothing where they are replaced already. */
export function guardGlobals(): void {
  for (const { holder, property, name } of guarded()) {
    const before = holder[property]
    if (typeof before !== 'function' || original in before) continue
    const guard = () => {
      throw new Error(`${name} was called inside the simulation: use the ports`)
    }
    define(holder, property, Object.assign(guard, { [original]: before }))
  }
}

export function restoreGlobals(): void {
  for (const { holder, property } of guarded()) {
    const guard = holder[property]
    if (typeof guard !== 'function' || !(original in guard)) continue
    define(holder, property, (guard as unknown as Record<symbol, unknown>)[original])
  }
}

/** Runs `body` with the globals guarded, and restores them whatever happens. */
export async function withGuards<T>(body: () => T | Promise<T>): Promise<T> {
  guardGlobals()
  try {
    return await body()
  } finally {
    restoreGlobals()
  }
}

function define(holder: Record<string, unknown>, property: string, value: unknown): void {
  Object.defineProperty(holder, property, { value, configurable: true, writable: true })
}
