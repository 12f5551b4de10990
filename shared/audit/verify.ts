import type { Database, Sql } from '../db/index.ts'
import { keyIdOf } from '../signature/index.ts'
import { type AuditRow, genesis, hashRow, rowColumns } from './chain.ts'
import { type Checkpoint, openCheckpoint, readStatement, type Statement } from './checkpoint.ts'
import { collectFaults, type Fault, type Faults } from './faults.ts'

/** What was found of one tenant. `position` and `hash`: the end of its chain. `waiting`: rows that no sealer has passed yet. `unknown_keys`: of checkpoints that could not be checked. */
export type Verified = {
  tenant: string
  ok: boolean
  position: number
  hash: string
  waiting: number
  checkpoints: number
  unknown_keys: string[]
  faults: Fault[]
  fault_count: number
}
/** PEM by key id. */
export type Keys = ReadonlyMap<string, string>
/** `keys`: of the signatures that are believed. `against`: checkpoints that were kept elsewhere. */
export type VerifyOptions = { keys: Keys; against?: readonly Checkpoint[]; pageSize?: number }

/** One statement may read a whole log. */
const statementMs = 600_000
/** `at` with six digits of a second. */
type Stored = Checkpoint & { position: string; at: string }
type Of = { tenantId: number; tenant: string }
type End = { position: number; hash: string }

/**
 * Reads a tenant's log, chain and checkpoints in one snapshot and answers all that is wrong: nothing that was sealed can be changed, removed, moved or added without being found, up to the
 * newest checkpoint that the database has, or with `against` one that it has not.
 */
export function verifyTenant(worker: Database, of: Of, options: VerifyOptions): Promise<Verified> {
  return worker.transaction({ role: 'soma_worker', tenantId: of.tenantId, readOnly: true, timeoutMs: statementMs }, (tx) => verifyRows(tx, of, options))
}

/** The same in the transaction of somebody else. */
export async function verifyRows(tx: Sql, of: Of, { keys, against = [], pageSize = 1_000 }: VerifyOptions): Promise<Verified> {
  const faults = collectFaults()
  const end = await readChain(tx, of.tenantId, faults, pageSize)
  const unknown = new Set<string>()
  const check = async (page: readonly Checkpoint[]) => compareCheckpoints(tx, of, openAll(page, keys, faults, unknown), end, faults)
  const [installation] = await tx.query<{ id: string }>('select installation_id as id from installation')
  let checkpoints = 0
  let newest: Stored | undefined
  for await (const page of checkpointPages(tx, of.tenantId, pageSize)) {
    await check(page)
    for (const one of page) compareColumns(one, { tenantId: of.tenantId, installation: installation?.id, keys }, faults)
    checkpoints += page.length
    newest = page.at(-1)
  }
  await check(against)
  if (end.position > 0) requireProof(newest, keys, faults)
  const waiting = await readUnsealed(tx, of.tenantId, faults)
  return { tenant: of.tenant, ok: faults.count === 0, ...end, waiting, checkpoints, unknown_keys: [...unknown], faults: faults.named, fault_count: faults.count }
}

async function* checkpointPages(tx: Sql, tenantId: number, pageSize: number): AsyncGenerator<Stored[]> {
  for (let last: Stored | undefined; ; ) {
    const page: Stored[] = await tx.query<Stored>(
      `select k.statement, k.signature, k.public_key, k.position::text as position, to_char(k.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from audit_checkpoints k
       where k.tenant_id = $1::integer and ($2::timestamptz is null or (k.at, k.position) > ($2::timestamptz, $3::bigint)) order by k.at, k.position limit ${Math.trunc(pageSize)}`,
      [tenantId, last?.at ?? null, last?.position ?? null],
    )
    if (page.length) yield page
    if (page.length < Math.trunc(pageSize)) return
    last = page.at(-1)
  }
}

/** Checks the signatures. Those of unknown keys prove nothing, nor do they say that anything is wrong: SIGNING_KEY may have been another one then. */
function openAll(checkpoints: readonly Checkpoint[], keys: Keys, faults: Faults, unknown: Set<string>): Statement[] {
  return checkpoints.flatMap((one) => {
    const opened = openCheckpoint(one, keys)
    if ('statement' in opened) return [opened.statement]
    if ('unknownKey' in opened) unknown.add(opened.unknownKey)
    else faults.add('broken', {}, `A checkpoint is not what was signed: ${one.statement.slice(0, 300)}`)
    return []
  })
}

type Link = AuditRow & { position: string; chained: string; hash: Buffer; found: boolean }

/** Follows the chain from its first place to its last. A fault is told where it is: behind it the chain is followed on by the hash that it has. */
async function readChain(tx: Sql, tenantId: number, faults: Faults, pageSize: number): Promise<End> {
  let previous: Buffer = genesis
  let last = 0
  for (;;) {
    const links = await tx.query<Link>(
      `select c.position::text as position, c.seq::text as chained, c.hash, l.seq is not null as found, ${rowColumns}
       from (select c.position, c.seq, c.hash from audit_chain c where c.tenant_id = $1::integer and c.position > $2::bigint order by c.position limit ${Math.trunc(pageSize)}) c
       left join lateral (select o.* from audit_log o where o.tenant_id = $1::integer and o.seq = c.seq limit 1) l on true order by c.position`,
      [tenantId, last],
    )
    for (const link of links) {
      const position = Number(link.position)
      const missing = position !== last + 1
      if (missing) faults.add('gap', { position: last + 1 }, `The places ${last + 1} to ${position - 1} of the chain are gone.`)
      if (!link.found) faults.add('missing', { position, seq: link.chained })
      else if (!missing && !hashRow(previous, tenantId, position, link).equals(link.hash)) faults.add('changed', { position, seq: link.seq })
      previous = link.hash
      last = position
    }
    if (links.length < Math.trunc(pageSize)) return { position: last, hash: previous.toString('hex') }
  }
}

/** The columns beside a statement are what the sealer goes by: they say what the statement says. */
function compareColumns({ statement, position, at, public_key }: Stored, expected: { tenantId: number; installation: string | undefined; keys: Keys }, faults: Faults): void {
  const said = readStatement(statement)
  // where it is none, `open` has told it
  if (!said) return
  const same = String(said.position) === position && said.at.replace('Z', '000Z') === at && said.tenant_id === expected.tenantId && said.installation === expected.installation
  const known = expected.keys.get(said.key_id)
  const withKey = known === undefined ? keyOf(public_key) === said.key_id : known === public_key
  if (!same || !withKey) faults.add('broken', { position: said.position }, 'A checkpoint does not stand where its statement says, or beside another key.')
}

function keyOf(publicKey: string): string | undefined {
  try {
    return keyIdOf(publicKey)
  } catch {
    return undefined
  }
}

async function compareCheckpoints(tx: Sql, { tenantId }: Of, statements: readonly Statement[], end: End, faults: Faults): Promise<void> {
  const own = statements.filter((one) => one.tenant_id === tenantId)
  const rows = await tx.query<{ position: string; hash: string }>(
    `select c.position::text as position, encode(c.hash, 'hex') as hash from audit_chain c where c.tenant_id = $1::integer and c.position = any ($2::bigint[])`,
    [tenantId, own.map(({ position }) => position)],
  )
  const hashes = new Map(rows.map((row) => [Number(row.position), row.hash]))
  for (const { position, hash, at, generation } of own) {
    const of = `the checkpoint of ${at} (generation ${generation})`
    if (position > end.position)
      faults.add('cut', { position }, `The chain ends at ${end.position}, and ${of} says that it reached ${position}: what was behind is gone, by a restore or by a hand.`)
    else if (hashes.get(position) !== hash) faults.add('differs', { position }, `At this place the chain is not the one of ${of}.`)
  }
}

/** Whoever can write the tables can drop checkpoints or make some with a key of their own: the newest must be there, with a key that is known. */
function requireProof(newest: Stored | undefined, keys: Keys, faults: Faults): void {
  if (!newest) {
    faults.add('unproved', {}, 'The chain has no checkpoint.')
    return
  }
  const opened = openCheckpoint(newest, keys)
  if ('unknownKey' in opened) faults.add('unproved', { position: Number(newest.position) }, `The newest checkpoint has a key that is not known here: ${opened.unknownKey}.`)
}

/** Rows without a place: those that the sealer has passed should have one, the others wait. */
async function readUnsealed(tx: Sql, tenantId: number, faults: Faults): Promise<number> {
  const rows = await tx.query<{ seq: string | null; passed: boolean; rows: string }>(
    `select u.passed, count(*)::text as rows, min(u.seq)::text as seq from (
       select l.seq, l.xid < coalesce((select case when h.horizon <= pg_snapshot_xmax(pg_current_snapshot()) then h.horizon end from audit_heads h where h.tenant_id = $1::integer), '0'::xid8) as passed
       from audit_log l where l.tenant_id = $1::integer and not exists (select from audit_chain c where c.tenant_id = $1::integer and c.seq = l.seq)) u group by u.passed`,
    [tenantId],
  )
  const passed = rows.find((row) => row.passed)
  if (passed)
    faults.add(
      'left_out',
      { seq: passed.seq ?? undefined },
      `${passed.rows} rows stand in the log without a place in the chain, although the sealer has passed them; the first is ${passed.seq}.`,
    )
  return Number(rows.find((row) => !row.passed)?.rows ?? 0)
}
