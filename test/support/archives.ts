import { type BackupKey, backUp, type Place, readBackupKey, remadeTables } from '../../shared/backup/index.ts'
import { BlobExists, BlobMissing, type BlobStore } from '../../shared/blob/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { tenantTables } from '../http/checks.ts'
import { type Caller, openProduct, type Product } from './engines.ts'
import { requireService } from './services.ts'

/** Two keys that are in no other place. */
export const firstKey = readBackupKey('01'.repeat(32))
export const otherKey = readBackupKey('02'.repeat(32))

/** A store whose files a test can look into and damage. */
export function memoryStore(files = new Map<string, Buffer>()): BlobStore & { files: Map<string, Buffer> } {
  return {
    files,
    async put(key, content, { ifAbsent = false } = {}) {
      const pieces: Uint8Array[] = []
      for await (const piece of content) pieces.push(piece)
      if (ifAbsent && files.has(key)) throw new BlobExists(key)
      files.set(key, Buffer.concat(pieces))
    },
    async *get(key) {
      const bytes = files.get(key)
      if (!bytes) throw new BlobMissing(key)
      // in small pieces, so that a block lies across them
      for (let from = 0; from < bytes.length; from += 1000) yield bytes.subarray(from, from + 1000)
    },
    list: async (prefix) => [...files].map(([key, { length: bytes }]) => ({ key, bytes })).filter(({ key }) => prefix === '' || key.startsWith(`${prefix}/`)),
    async remove(key) {
      files.delete(key)
    },
  }
}

export async function backedUp(product: Product, key?: BackupKey, partBytes?: number): Promise<{ place: Place; files: Map<string, Buffer> }> {
  const store = memoryStore()
  await backUp(product.local.db.worker, { store, prefix: '' }, { key, partBytes })
  return { place: { store, prefix: '' }, files: store.files }
}

/** An empty product of that engine, for the time of the work; nothing drains there by itself. */
export async function withTarget<T>(engine: Product['engine'], work: (target: Product) => Promise<T>): Promise<T> {
  const url = engine === 'pglite' ? undefined : requireService(engine === 'postgres 16' ? 'POSTGRES16_URL' : 'POSTGRES_URL')
  const { product, close } = await openProduct(engine, url)
  try {
    await loseWakeUps(product)
    return await work(product)
  } finally {
    await close()
  }
}

/** Engines that can be a target here. */
export const targets = (['pglite', 'postgres 18', 'postgres 16'] as const).filter(
  (engine) => engine === 'pglite' || requireService(engine === 'postgres 16' ? 'POSTGRES16_URL' : 'POSTGRES_URL'),
)

/** Every row of every table as text, sorted, without transaction ids: read as the superuser. */
export async function dump(product: Product): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {}
  for (const table of [...(await tenantTables(product)), 'installation', 'embedding_models', 'schema_migrations']) {
    const found = await adminSql<{ row: string }>(product, `select (to_jsonb(t) - array['created_xid', 'closed_xid', 'xid', 'horizon'])::text as row from ${table} t order by 1`)
    rows[table] = found.map(({ row }) => row)
  }
  return rows
}

/** What an archive is to bring back, of a dump: events that were sent and turns are not in it, and a lease has ended. */
export async function restorable(product: Product): Promise<Record<string, string[]>> {
  const { installation: _installation, schema_migrations: _migrations, ...rows } = await dump(product)
  for (const table of remadeTables) delete rows[table]
  // what a restore said of itself afterwards
  rows.audit_log = (rows.audit_log ?? []).filter((row) => JSON.parse(row).action !== 'backup.restore')
  const events = (rows.outbox ?? []).map((row) => JSON.parse(row)).filter(({ status }) => status !== 'sent')
  rows.outbox = events.map((row) => JSON.stringify({ ...row, status: row.status === 'leased' ? 'pending' : row.status, lease_owner: null, lease_expires_at: null })).sort()
  return rows
}

const texts = ['Ada prefers tea, null and NULL', "Ada's kettle hums “softly”\n\ttwice \\ thrice", '日本語のお茶はおいしい', 'çay và trà ☕ 🍵 tea tea tea', 'the of and']
const tags = [['a b', 'q"uote', 'back\\slash', '{brace,comma}', 'null'], ['tea'], []]

/** A tenant that has something of everything: versions, words, vectors, history, sessions, links, events in every state, and rows that no call makes yet. */
export async function busyTenant(product: Product): Promise<Caller> {
  const caller = await product.tenant()
  const { call } = product
  const items = Array.from({ length: 40 }, (_, i) => ({
    text: `${texts[i % texts.length]} ${i}`,
    tags: tags[i % tags.length],
    user_id: `user ${i % 3}`,
    ...(i % 2 ? { session_id: 'morning', agent_id: 'a' } : {}),
    // the same places several times: versions that are passed over have no words
    ...(i % 4 === 0 ? { coord: `${i % 8},1.5` } : {}),
    ...(i % 5 === 0 ? { payload: { number: 0.1, deep: [{ text: 'leaf\u2028' }], large: 123456789012345 }, language: 'de' } : {}),
    importance: i % 3 === 0 ? 0.30000000000000004 : 1,
    metadata: { i },
  }))
  const { body } = await call(caller, 'POST', '/v1/memories/bulk', { items }, { 'idempotency-key': 'bulk' })
  await call(caller, 'POST', '/v1/memories', { messages: [{ role: 'user', content: 'what tea?', name: 'Ada' }], expires_at: '2100-01-01T00:00:00Z', user_id: 'user 1' })
  await product.settle()
  const ids: string[] = [...new Set<string>(body.results.map((one: { id: string }) => one.id))]
  await call(caller, 'PATCH', `/v1/memories/${ids[1]}`, { text: 'changed, and indexed again', user_id: 'user 9' })
  await product.settle()
  await call(caller, 'DELETE', `/v1/memories/${ids[2]}`)
  await call(caller, 'POST', '/v1/memories', { text: 'Ada prefers coffee now', supersedes: ids[3] })
  await call(caller, 'PATCH', `/v1/memories/${ids[5]}`, { tags: ['patched'] })
  const t = `${caller.tenantId}::integer`
  for (const statement of [
    // limits of its own, and of the tenant that every schema has from the start
    `update tenants set limits = '{"memories": 123456}' where tenant_id in (1, ${t})`,
    `insert into links (tenant_id, id, from_key, to_key, type, weight, metadata, version, created_at, recorded_at)
       select ${t}, gen_random_uuid(), min(memory_key), max(memory_key), 'related', 0.1, '{"why":"é"}', 1, now(), now() from memories where tenant_id = ${t}`,
    `insert into operations (tenant_id, operation_id, kind, actor, request, lease_expires_at) values (${t}, gen_random_uuid(), 'export', 'test', '{"a":1}', 'infinity')`,
    `insert into erasures (tenant_id, erasure_id, kind, target, receipt) values (${t}, gen_random_uuid(), 'user', 'somebody', '{}')`,
    `insert into session_stats (tenant_id, session_key, memories, bytes, last_at)
       select tenant_id, session_key, 1, 2, now() from sessions where tenant_id = ${t} on conflict do nothing`,
    `insert into usage_batches (tenant_id, batch_id) values (${t}, gen_random_uuid())`,
    // open for less than a millisecond, with words of its own: only they tell it from one that was passed over
    `update memory_versions set closed_at = recorded_at where tenant_id = ${t} and id = '${ids[1]}' and version = 1`,
    `update closed_postings set closed_at = recorded_at where tenant_id = ${t} and version = 1 and memory_key = (select memory_key from memories where tenant_id = ${t} and id = '${ids[1]}')`,
    // microseconds, and the ends of what a time can be
    `update memories set occurred_at = '2026-01-02T03:04:05.678901Z' where tenant_id = ${t} and id = '${ids[6]}'`,
    `update outbox set status = 'dead', attempts = 10, last_error = 'it "broke"' where tenant_id = ${t} and status = 'pending' and seq = (select max(seq) from outbox where tenant_id = ${t})`,
    `update outbox set status = 'leased', lease_owner = gen_random_uuid(), lease_expires_at = now() + interval '1 minute', attempts = 1
       where tenant_id = ${t} and status = 'pending' and seq = (select min(seq) from outbox where tenant_id = ${t} and status = 'pending')`,
  ])
    await adminSql(product, statement)
  await product.local.runJob('seal-audit')
  return caller
}

/**
 * What a caller is answered, without what differs from one answer to the next. Engines round the last digits of a cosine their own way, so between
 * engines six digits are compared, and equal scores in any order.
 */
export async function answersOf(product: Product, caller: Caller, between: 'same engine' | 'engines'): Promise<unknown[]> {
  const { call } = product
  const listed = await call(caller, 'POST', '/v1/memories/list', { limit: 500 })
  const answers: unknown[] = [listed.body]
  for (const query of ['tea', "Ada's kettle", 'お茶', 'coffee changed', 'null']) {
    for (const mode of ['lexical', 'vector', 'hybrid']) {
      const { body } = await call(caller, 'POST', '/v1/recall', { query, mode, top_k: 100, explain: true })
      const { took_ms: _took, replay: _replay, ...rest } = body
      if (between === 'engines') rest.results.sort((a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1))
      answers.push(between === 'engines' ? JSON.parse(JSON.stringify(rest, (_, value) => (typeof value === 'number' ? Number(value.toFixed(6)) : value))) : rest)
    }
  }
  for (const { id } of listed.body.items.slice(0, 12)) answers.push((await call(caller, 'GET', `/v1/memories/${id}/history`)).body)
  answers.push((await call(caller, 'GET', '/stats')).body, (await call(caller, 'GET', '/v1/keys')).body)
  return answers
}
