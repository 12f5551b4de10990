import type { Database, Sql } from '../db/index.ts'
import type { Signer } from '../signature/index.ts'
import { type AuditRow, genesis, hashRow, rowColumns } from './chain.ts'
import { type Head, writeCheckpoint } from './checkpoint.ts'

/** `pageSize`: rows of a transaction. `checkpointSeconds`: a tenant's checkpoints are at least so far apart. */
export type SealDeps = { worker: Database; signer: Signer; pageSize?: number; checkpointSeconds?: number }
/** `finished`: every row of the tenant that was committed when this began is in the chain. `unpublished`: some of it was not published yet. */
export type Sealed = { sealed: number; finished: boolean; unpublished: boolean }
/** How far a pass is, in the order of (xid, seq). */
type Cursor = { xid: string; seq: string }
type Page = { sealed: number; cursor: Cursor | undefined; xmin: string }

/**
 * Gives each committed row of a tenant that has no place in its chain yet the next one, page by page, each a transaction of its own; any number may run at once, and one
 * that dies is followed by another. A row that appears late gets a late place. That none is missed is the horizon's doing: of transactions below it everything has been seen,
 * and it is never above the oldest that ran when a pass began; what is at or above is looked at again by the next pass.
 */
export async function sealTenant(deps: SealDeps, tenantId: number, signal: AbortSignal): Promise<Sealed> {
  const { behind, due, unpublished } = await lookAt(deps, tenantId)
  if (!behind && !due) return { sealed: 0, finished: true, unpublished }
  let sealed = 0
  let cursor: Cursor | undefined
  let horizon: string | undefined
  while (!signal.aborted) {
    const page: Page = await deps.worker.transaction({ role: 'soma_worker', tenantId }, (tx) => sealPage(deps, tx, tenantId, cursor, horizon))
    sealed += page.sealed
    horizon ??= page.xmin
    cursor = page.cursor
    if (!cursor) return { sealed, finished: true, unpublished: unpublished || sealed > 0 }
  }
  return { sealed, finished: false, unpublished: unpublished || sealed > 0 }
}

/** The last row of the chain, and of the checkpoints, of the tenant $1. */
const lastOf = `(select 1) one left join lateral (select c.position, c.hash from audit_chain c where c.tenant_id = $1::integer order by c.position desc limit 1) c on true
  left join lateral (select k.position, k.at, k.public_key from audit_checkpoints k where k.tenant_id = $1::integer order by k.at desc, k.position desc limit 1) k on true`
/** Where it does not say where the chain ends, or says so by another key: $2 seconds after the one before. */
const isDue = `c.position is not null and (k.at is null or (k.position <> c.position or k.public_key <> $3::text) and k.at <= clock_timestamp() - make_interval(secs => $2::double precision))`

type Look = { behind: boolean; due: boolean; unpublished: boolean }

/** Most tenants have nothing new: three ends of indexes are read, and nothing is locked or written. */
async function lookAt({ worker, signer, checkpointSeconds = 60 }: SealDeps, tenantId: number): Promise<Look> {
  const [row] = await worker.statement<Look>(
    { role: 'soma_worker', tenantId, readOnly: true },
    `select coalesce((select l.xid from audit_log l where l.tenant_id = $1::integer order by l.xid desc limit 1) >= coalesce(
         (select case when h.horizon <= pg_snapshot_xmax(pg_current_snapshot()) then h.horizon end from audit_heads h where h.tenant_id = $1::integer), '0'::xid8), false) as behind,
       coalesce(${isDue}, false) as due, coalesce(c.position > coalesce((select h.published from audit_heads h where h.tenant_id = $1::integer), 0), false) as unpublished from ${lastOf}`,
    [tenantId, checkpointSeconds, signer.publicKey],
  )
  return row as Look
}

type Start = { position: string | null; hash: Buffer | null; xmin: string; horizon: string }
type Candidate = AuditRow & { xid: string; has_place: boolean }

async function sealPage({ signer, pageSize = 500, checkpointSeconds = 60 }: SealDeps, tx: Sql, tenantId: number, cursor: Cursor | undefined, below?: string): Promise<Page> {
  // the lock of the tenant's chain: whoever waited for it sees in its next statement what the other has sealed
  await tx.query('insert into audit_heads (tenant_id) values ($1::integer) on conflict (tenant_id) do update set published = audit_heads.published', [tenantId])
  // a horizon that this cluster has not reached is of another one, from where the tables were copied: then all is looked at
  const [start] = await tx.query<Start>(
    `select c.position::text as position, c.hash, pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
       case when h.horizon <= pg_snapshot_xmax(pg_current_snapshot()) then h.horizon else '0'::xid8 end::text as horizon
     from audit_heads h left join lateral (select c.position, c.hash from audit_chain c where c.tenant_id = $1::integer order by c.position desc limit 1) c on true where h.tenant_id = $1::integer`,
    [tenantId],
  )
  const { position, hash, xmin, horizon } = start as Start
  // row by row: a plain join may read the whole chain for it
  const rows = await tx.query<Candidate>(
    `select l.xid::text as xid, c.seq is not null as has_place, ${rowColumns}
     from (select l.* from audit_log l where l.tenant_id = $1::integer and l.xid >= $2::xid8 and (l.xid, l.seq) > ($2::xid8, $3::bigint) order by l.xid, l.seq limit ${Math.trunc(pageSize)}) l
     left join lateral (select c.seq from audit_chain c where c.tenant_id = $1::integer and c.seq = l.seq limit 1) c on true order by l.xid, l.seq`,
    [tenantId, cursor?.xid ?? horizon, cursor?.seq ?? '-1'],
  )
  const { head, sealed } = await append(tx, tenantId, rows, { position: Number(position ?? 0), hash: (hash ?? genesis).toString('hex') })
  const last = rows.length === Math.trunc(pageSize) ? rows.at(-1) : undefined
  if (!last) await tx.query('update audit_heads set horizon = $2::xid8 where tenant_id = $1::integer', [tenantId, below ?? xmin])
  await checkpointWhereDue(tx, signer, tenantId, head, checkpointSeconds)
  return { sealed, cursor: last && { xid: last.xid, seq: last.seq }, xmin }
}

/** Puts those that have no place behind the chain's end. */
async function append(tx: Sql, tenantId: number, rows: Candidate[], end: Head): Promise<{ head: Head; sealed: number }> {
  let previous: Buffer = Buffer.from(end.hash, 'hex')
  let { position } = end
  const places = rows.flatMap((row) => {
    if (row.has_place) return []
    position += 1
    previous = hashRow(previous, tenantId, position, row)
    return [{ position, seq: row.seq, hash: previous.toString('hex') }]
  })
  if (places.length) {
    await tx.query(
      `insert into audit_chain (tenant_id, position, seq, hash) select $1::integer, p.position, p.seq, decode(p.hash, 'hex') from unnest($2::bigint[], $3::bigint[], $4::text[]) p (position, seq, hash)`,
      [tenantId, places.map((one) => one.position), places.map((one) => one.seq), places.map((one) => one.hash)],
    )
  }
  return { head: { position, hash: previous.toString('hex') }, sealed: places.length }
}

/** In the transaction that ends the chain here: a chain without any checkpoint is one that lost them. */
async function checkpointWhereDue(tx: Sql, signer: Signer, tenantId: number, head: Head, seconds: number): Promise<void> {
  const [row] = await tx.query<{ due: boolean | null; now: Date }>(`select ${isDue} as due, clock_timestamp() as now from ${lastOf}`, [tenantId, seconds, signer.publicKey])
  if (row?.due) await writeCheckpoint(tx, signer, tenantId, head, row.now.toISOString())
}
