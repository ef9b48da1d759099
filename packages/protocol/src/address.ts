/** Where a process listens. Text form `HOST:PORT`; an IPv6 host stands in brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** @throws RangeError saying what was expected. */
export function parseAddress(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new RangeError(
      `not an address: ${JSON.stringify(text)}; expected HOST:PORT, such as 127.0.0.1:9000`,
    )
  }
  return { host: (match[1] ?? match[2])!, port }
}

export function formatAddress(address: HostPort): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}
