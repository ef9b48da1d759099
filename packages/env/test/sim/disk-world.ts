import { type DiskFile, type SimProcess, Simulation } from '../../src'

export interface World {
  readonly simulation: Simulation
  readonly node: SimProcess
}

export function makeWorld(seed: number | string = 1): World {
  const simulation = new Simulation({ seed })
  return { simulation, node: simulation.process('node') }
}

/** A file that is durable up to `synced` bytes of 1, followed by `extra` bytes of 2. */
export async function makeFile(
  { node }: World,
  path: string,
  synced: number,
  extra: number,
): Promise<DiskFile> {
  const file = await node.ports.disk.open(path, 'create')
  await node.ports.disk.syncDirectory('/')
  await file.append([Buffer.alloc(synced, 1)])
  await file.sync()
  await file.append([Buffer.alloc(extra, 2)])
  return file
}
