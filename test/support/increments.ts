import { setTimeout as sleep } from 'node:timers/promises'
import { contentsOf } from '../../shared/backup/contents.ts'
import { type BackupKey, openArchive, type Place } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import { type BackedUp, runBackup } from '../../shared/recovery/index.ts'
import { adminSql } from '../db/admin.ts'
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

/** Until no transaction runs any more that was there before: another database of the same server has some too, and as long as one is open, what was written since counts as fresh. */
export async function untilOld(product: Product): Promise<void> {
  const [now] = await adminSql<{ xid: string }>(product, 'select pg_current_xact_id()::text as xid')
  for (;;) {
    const [row] = await adminSql<{ over: boolean }>(product, 'select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8 as over', [now?.xid])
    if (row?.over) return
    await sleep(20)
  }
}
