import { statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { ArchiveError, type BackupKey, keyAt, lockOf, type Place, readBackupKey } from '../../shared/backup/index.ts'
import { assertKey, fileStore } from '../../shared/blob/index.ts'
import type { Config } from '../../shared/config/index.ts'
import { archiveOfTime } from '../../shared/recovery/index.ts'
import { CommandError } from './failure.ts'
import type { Globals } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { remark } from './output.ts'

/** Where an archive lies, and its name for people: an absolute path, or `s3://bucket/prefix`. */
export type NamedPlace = Place & { path: string }

/** An archive in a directory of its own, or under `s3://bucket/prefix`. @throws CommandError usage */
export async function placeAt(given: string, { S3_ENDPOINT: endpoint, BACKUP_LOCK_DAYS: days, BACKUP_EVERY_HOURS: hours }: Config): Promise<NamedPlace> {
  if (!given.startsWith('s3://')) return { store: fileStore(resolve(given)), prefix: '', path: resolve(given) }
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*?))?\/?$/.exec(given) ?? []
  if (bucket === undefined) throw new CommandError('usage', `"${given}" names no bucket: it takes s3://bucket/prefix, such as s3://backups/monday.`)
  try {
    if (prefix !== '') assertKey(prefix)
  } catch (cause) {
    throw new CommandError('usage', (cause as Error).message, cause)
  }
  const { s3Store } = await import('../../shared/s3/index.ts')
  return { store: s3Store({ bucket, endpoint, lock: lockOf(days, hours) }), prefix, path: `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}` }
}

/** Where backups are kept, side by side: the bucket of the configuration, or under the data directory. */
export function homeOf(config: Config): Promise<NamedPlace> {
  const names = config.BACKUP_PREFIX === undefined ? [] : [config.BACKUP_PREFIX]
  return placeAt(config.BACKUP_BUCKET === undefined ? join(config.SOMA_DATA_DIR, 'backups', ...names) : `s3://${[config.BACKUP_BUCKET, ...names].join('/')}`, config)
}

/** An archive in its directory or bucket, in a store that also has those that lie beside it, on which it may build. @throws CommandError not_found */
export async function existingPlace(given: string, config: Config): Promise<NamedPlace> {
  const place = await placeAt(given, config)
  if (given.startsWith('s3://')) {
    if (!(await place.store.list(place.prefix)).length) throw new CommandError('not_found', `There is nothing at ${place.path}.`)
    return place
  }
  if (!statSync(given, { throwIfNoEntry: false })?.isDirectory()) throw new CommandError('not_found', `There is no directory ${given}.`)
  const name = basename(place.path)
  return isKey(name) ? { ...place, store: fileStore(dirname(place.path)), prefix: name } : place
}

function isKey(name: string): boolean {
  try {
    assertKey(name)
    return true
  } catch {
    return false
  }
}

/** The newest archive at home that is of no later than that instant: of the only installation that has any there. @throws CommandError usage, not_found */
export async function placeOfTime(at: string, config: Config): Promise<NamedPlace> {
  if (!z.iso.datetime({ offset: true }).safeParse(at).success) throw new CommandError('usage', `--at got "${at}": it takes an instant with its zone, such as 2026-12-01T10:00:00Z.`)
  const home = await homeOf(config)
  const name = await archiveOfTime(home, backupKeyOf(config), new Date(at))
  return { ...home, prefix: keyAt(home, name), path: `${home.path}/${name}` }
}

export const backupKeyOf = ({ BACKUP_KEY }: Config): BackupKey | undefined => (BACKUP_KEY === undefined ? undefined : readBackupKey(BACKUP_KEY))

/** Work on an archive; Ctrl-C removes what was written or leaves it to the next backup, and leaves the target of a restore as it was. @throws CommandError archive */
export function onArchive<T>(globals: Globals, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const told = (signal: AbortSignal) => {
    signal.addEventListener('abort', () => remark(globals, 'Stopping: nothing is left that passes for whole. Ctrl-C again does not wait for that.'), { once: true })
    return work(signal)
  }
  return interruptible(told).catch((error) => {
    throw error instanceof ArchiveError ? new CommandError('archive', error.message, error) : error
  })
}
