import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import { migrate, migrations, schemaVersion } from '../../shared/db/index.ts'
import { MemoryIn } from '../../shared/memory/index.ts'
import { prepareNew } from '../../shared/memory/prepare.ts'
import { backedUp, restorable, withTarget } from '../support/archives.ts'
import { asAdmin, type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, idsOf } from './admin.ts'

/** From here on the schema has all that a store takes: the policies of the worker are the last of it. */
const firstThatStores = 6

type Client = Parameters<Parameters<typeof asAdmin>[1]>[0]

/** As the API stores, by the function that the schema had then. */
async function store(client: Client, tenantId: number, input: unknown): Promise<void> {
  const { row, terms } = prepareNew(MemoryIn.parse(input), 0, new Date())
  const words = [...terms]
  await client.query('begin')
  await client.query('set local role soma_app')
  await client.query(`select set_config('soma.tenant', $1, true)`, [String(tenantId)])
  await client.query('select store_memories($1::integer, $2::jsonb, $3::jsonb, $4::integer[], $5::text[], $6::smallint[])', [
    tenantId,
    JSON.stringify([row]),
    JSON.stringify({ actor: 'test', request_id: 'test', action: 'memory.store', bulk: false, has_coords: row.coord !== undefined, has_keys: false, has_supersedes: false }),
    words.map(() => 0),
    words.map(([term]) => term),
    words.map(([, tf]) => tf),
  ])
  await client.query('commit')
}

describeEngines(
  'a database that was there from the first version on',
  (product) => {
    test('keeps what was stored at every version of the schema, through all later ones: texts, words, history, events and counts', { timeout: 120_000 }, async () => {
      const caller: Caller = await product().tenant()
      const [key] = await adminSql<{ key_id: string; secret_hash: Buffer; scopes: string[] }>(
        product(),
        `select key_id, secret_hash, scopes from api_keys where tenant_id = ${caller.tenantId}`,
      )
      const versions = migrations.map((_, i) => i + 1).filter((version) => version >= firstThatStores)
      await asAdmin(product().adminUrl as string, async (client) => {
        await client.query('drop schema public cascade; create schema public; grant usage on schema public to public')
        await client.query('create table schema_migrations (version integer primary key, checksum text not null, applied_at timestamptz not null default now())')
        for (const [index, text] of migrations.entries()) {
          await client.query(`begin; ${text}; reset role`)
          await client.query('insert into schema_migrations (version, checksum) values ($1, $2)', [index + 1, createHash('sha256').update(text).digest('hex')])
          await client.query('commit')
          const version = index + 1
          if (version === 1) {
            await client.query('grant select on schema_migrations to public')
            await client.query('insert into tenants (tenant_id, name) values ($1, $2)', [caller.tenantId, caller.tenant])
            await client.query('insert into api_keys (tenant_id, key_id, secret_hash, scopes) values ($1, $2, $3, $4)', [
              caller.tenantId,
              key?.key_id,
              key?.secret_hash,
              key?.scopes,
            ])
          }
          if (version < firstThatStores) continue
          await store(client, caller.tenantId, { text: `a plain lamp${version} in the hall`, user_id: 'ada', session_id: 'evening' })
          for (const edition of ['first', 'second']) await store(client, caller.tenantId, { text: `the ${edition} kettle${version}`, coord: `${version},1` })
        }
      })
      expect(await migrate(product().local.db.owner)).toEqual({ from: schemaVersion, to: schemaVersion })
      const { call } = product()
      await product().settle()
      await product().local.runJob('recount-words')
      await product().local.runJob('verify-index')
      const listed = await call(caller, 'POST', '/v1/memories/list', { limit: 500 })
      expect(listed.body.items).toHaveLength(2 * versions.length)
      for (const version of versions) {
        for (const mode of ['lexical', 'vector']) {
          const lamp = await call(caller, 'POST', '/v1/recall', { query: `lamp${version}`, mode, user_id: 'ada', top_k: 1 })
          expect([mode, version, lamp.body.results[0]?.text]).toEqual([mode, version, `a plain lamp${version} in the hall`])
        }
        const kettle = await call(caller, 'POST', '/v1/recall', { query: `kettle${version}`, mode: 'lexical', top_k: 1 })
        expect(kettle.body.results[0]).toMatchObject({ text: `the second kettle${version}`, version: 2 })
        const history = await call(caller, 'GET', `/v1/memories/${idsOf(kettle.body.results)[0]}/history`)
        expect(history.body.items.map(({ text }: { text: string }) => text).sort()).toEqual([`the first kettle${version}`, `the second kettle${version}`])
      }
      const usage = await call(caller, 'GET', '/stats')
      expect(usage.body).toMatchObject({ total_memories: 2 * versions.length })
      expect((await call(caller, 'PATCH', `/v1/memories/${idsOf(listed.body.items)[0]}`, { tags: ['changed'] })).status).toBe(200)
      const [events] = await adminSql<{ n: number }>(product(), `select count(distinct (id, version))::integer as n from memory_events where tenant_id = ${caller.tenantId}`)
      expect(events?.n).toBeGreaterThanOrEqual(3 * versions.length)
      // and it is archived and restored as any other
      await product().settle()
      const before = await restorable(product())
      const { place } = await backedUp(product())
      await withTarget(product().engine, async (target) => {
        await restore(target.local.db.owner, place)
        expect(await restorable(target)).toEqual(before)
      })
    })
  },
  ['postgres 18', 'postgres 16'],
)
