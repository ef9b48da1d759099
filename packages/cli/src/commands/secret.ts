import { readFileSync } from 'node:fs'
import { CassioError } from '@cassiopeia/protocol'

/**
 * The shared secret: from the file when one is named, else from CASSIO_SECRET. There is no flag for
 * the secret itself, since the arguments of a process can be read by everybody on the machine.
 * @throws CassioError CASSIO_CONFIG
 */
export function readSecret(
  secretFile: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const secret = secretFile === undefined ? environment.CASSIO_SECRET : readFile(secretFile)
  return secret === '' ? undefined : secret
}

function readFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw config(`the secret file cannot be read: ${(error as Error).message}`)
  }
  // Editors end the last line; the line's end is no part of the secret.
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '') throw config(`the secret file ${path} is empty`)
  return secret
}

export function config(message: string): CassioError {
  return new CassioError('CASSIO_CONFIG', message)
}
