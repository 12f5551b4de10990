import { type BackupKey, type Base, type Manifest, totalRows, type WordSums } from '../backup/index.ts'
import { type Database, schemaVersion } from '../db/index.ts'

/** `full`: with what it builds on, an archive that was begun to hold everything; `increment`: to hold what had changed. */
export type BackupKind = 'full' | 'increment'
type Reached = { manifest: Manifest; words: Record<string, WordSums> }

const access = { role: 'soma_worker', tenantId: null } as const
/** The database and its table of memories, as no dump brings them back. */
const origin = `(select d.oid::text || ' ' || 'memories'::regclass::oid::text from pg_database d where d.datname = current_database())`
/** What was broken off longer ago is begun anew: most of it has changed. */
const resumedHours = 24

/** Keeps what an archive has, whole or so far, for the next one to build on. */
export async function keepState(worker: Database, archive: string, kind: BackupKind, { manifest, words }: Reached, whole: boolean): Promise<void> {
  const { archive_id, installation, schema_version, snapshot, encryption, contents } = manifest
  await worker.statement(
    access,
    `insert into backup_states (archive, archive_id, generation, schema_version, snapshot, key_id, kind, whole, contents, words, origin)
     values ($1::text, $2::uuid, $3::integer, $4::integer, $5::text::pg_snapshot, $6::text, $7::text, $8::boolean, $9::jsonb, $10::jsonb, ${origin})
     on conflict (archive) do update set whole = excluded.whole, contents = excluded.contents, words = excluded.words, written_at = excluded.written_at, xid = excluded.xid`,
    [archive, archive_id, installation.generation, schema_version, snapshot, encryption?.key_id ?? null, kind, whole, JSON.stringify(contents), JSON.stringify(words)],
  )
}

/**
 * What the next archive may build on: for an increment the newest that is whole; for a full one, what another had written of it when it was broken off. Only of this database as it went on from there, in the
 * same generation, schema and key; and only where it is among `there`, the archives that are kept and may be built on.
 * Of several that were broken off it is the one that got furthest.
 */
export async function baseFor(worker: Database, kind: BackupKind, key: BackupKey | undefined, there: ReadonlySet<string>): Promise<Base | undefined> {
  const which = kind === 'increment' ? 's.whole' : `not s.whole and s.kind = 'full' and s.written_at > now() - interval '${resumedHours} hours'`
  const rows = await worker.statement<{ archive: string; archive_id: string; snapshot: string; contents: Manifest['contents']; words: Record<string, WordSums> }>(
    { ...access, readOnly: true },
    `select s.archive, s.archive_id, s.snapshot::text as snapshot, s.contents, s.words from backup_states s
     where ${which} and s.archive = any ($3::text[]) and s.generation = (select generation from installation) and s.schema_version = $1::integer and s.key_id is not distinct from $2::text
       and s.origin = ${origin} and s.xmin::text::numeric = mod(s.xid::text::numeric, 4294967296)
       and pg_snapshot_xmax(pg_current_snapshot())::text::numeric - pg_snapshot_xmin(s.snapshot)::text::numeric between 0 and 2000000000
     order by s.written_at desc, s.archive desc limit ${kind === 'full' ? 10 : 1}`,
    [schemaVersion, key?.id ?? null, [...there]],
  )
  const [row] = rows.toSorted((a, b) => totalRows(b) - totalRows(a))
  if (!row || totalRows(row) === 0) return undefined
  const { archive, archive_id: archiveId, snapshot, contents, words } = row
  return { archive, archiveId, snapshot, contents, words }
}

/** Of archives that are gone. */
export async function forgetStates(worker: Database, there: ReadonlySet<string>): Promise<void> {
  await worker.statement(access, `delete from backup_states where archive <> all ($1::text[]) and written_at < now() - interval '1 hour'`, [[...there]])
}
