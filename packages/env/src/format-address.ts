import type { Address } from './network'

/** 'host:port', with brackets around an IPv6 host: '[::1]:9042'. For logs, errors and map keys. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `onDrain` follows once this much or more was buffered and all of it has been handed on. */
export const drainHighWaterBytes = 64 * 1024
