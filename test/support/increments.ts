import { contentsOf } from '../../shared/backup/contents.ts'
import { type BackupKey, openArchive, type Place } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import { type BackedUp, runBackup } from '../../shared/recovery/index.ts'
import type { Product } from './engines.ts'

export type Told = { kind?: 'full' | 'increment'; key?: BackupKey | undefined; partBytes?: number }

/** A backup as the jobs write it, under `kept` in a store. */
export function written(product: Product, store: BlobStore, { kind = 'full', key, partBytes }: Told = {}): Promise<BackedUp> {
  const deps = { worker: product.local.db.worker, store: async () => store, prefix: 'kept', key }
  return runBackup(deps, 'test', { signal: new AbortController().signal, kind, partBytes })
}

export const at = (store: BlobStore, name: string): Place => ({ store, prefix: `kept/${name}` })

/** How many rows an archive has of each table, with all that it builds on, and their content hash. */
export async function totals(place: Place, key?: BackupKey): Promise<Record<string, { rows: number; content: string }>> {
  const contents = contentsOf(await openArchive(place, key))
  for await (const _ of contents.rows());
  return Object.fromEntries(Object.entries(contents.manifest().tables).map(([name, { rows, content }]) => [name, { rows, content }]))
}
