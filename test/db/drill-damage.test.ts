import { afterAll, beforeAll, expect, test } from 'vitest'
import { backUp, type Manifest, openArchive, restore } from '../../shared/backup/index.ts'
import type { Database, Sql } from '../../shared/db/index.ts'
import { migrate } from '../../shared/db/index.ts'
import { type Catalog, createScratch, dropScratch, type Examined, examine, readCatalog, scratchName } from '../../shared/drill/index.ts'
import type { Probe } from '../../shared/probe/index.ts'
import { busyTenant, memoryStore } from '../support/archives.ts'
import { describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

/** In a short run some of each kind, in a long one many more. */
const every = process.env.SOMA_FULL === '1'
const some = <T>(list: T[], most: number): T[] => list.filter((_, i) => i % Math.max(1, Math.ceil(list.length / most)) === 0)

const otherValue = (column: string, type: string): string | undefined => {
  const own = `t."${column}"`
  if (/^(integer|bigint|smallint|double precision)$/.test(type)) return `coalesce(${own}, 0) + 1`
  if (type === 'text') return `coalesce(${own}, '') || 'x'`
  if (type === 'boolean') return `not coalesce(${own}, false)`
  if (/^timestamp/.test(type)) return `case when isfinite(${own}) then ${own} + interval '1 microsecond' else now() end`
  if (type === 'uuid') return 'gen_random_uuid()'
  if (type === 'jsonb') return `jsonb_build_array(${own})`
  if (type === 'text[]') return `array_append(${own}, 'x')`
  if (type === 'bytea') return `coalesce(${own}, '') || '\\x00'::bytea`
  if (type === 'halfvec') return `${own} + ${own}`
  return undefined
}

/** In a short run on one engine: the catalog that damage is derived from is the same on each. */
const engines = every ? undefined : [process.env.POSTGRES_URL ? ('postgres 18' as const) : ('pglite' as const)]

describeEngines(
  'a drill sees damage to what it restored:',
  (product) => {
    let copy: Database
    let name = ''
    let manifest: Manifest
    let catalog: Catalog
    const probes = new Map<number, Probe[]>()
    const access = { role: 'soma_worker', tenantId: null, timeoutMs: 60_000 } as const

    beforeAll(async () => {
      await loseWakeUps(product())
      for (let i = 0; i < 2; i++) await busyTenant(product())
      const place = { store: memoryStore(), prefix: '' }
      await backUp(product().local.db.worker, place)
      ;({ manifest } = await openArchive(place, undefined))
      name = scratchName(new Date())
      copy = await createScratch(product().local.db.owner, name)
      await migrate(copy)
      catalog = await copy.transaction(access, readCatalog)
      await restore(copy, place, { onProbes: (tenant, asked) => probes.set(tenant, asked) })
    }, 120_000)
    afterAll(() => dropScratch(product().local.db.owner, name))

    /** What is found when `damage` was done to the copy, as a superuser; undefined when it could not be done. Nothing of it stays. */
    async function foundAfter(damage: string, values: unknown[] = []): Promise<Examined | undefined> {
      const undo = new Error('undo')
      let found: Examined | undefined
      await copy
        .transaction(access, async (tx) => {
          await tx.query(`select set_config('role', 'none', true)`)
          const done = await attempt(tx, damage, values)
          await tx.query(`select set_config('role', 'soma_worker', true)`)
          if (done) found = await examine(tx, { manifest, probes, catalog })
          throw undo
        })
        .catch((error) => {
          if (error !== undo && error.cause !== undo) throw error
        })
      return found
    }
    const failed = (examined: Examined | undefined) => examined?.checks.filter(({ ok }) => !ok).map(({ name }) => name)
    const rows = <Row>(text: string) =>
      copy.transaction(access, async (tx) => {
        await tx.query(`select set_config('role', 'none', true)`)
        return tx.query<Row>(text)
      })

    test('nothing is wrong with one that is whole', async () => {
      const examined = await foundAfter('select 1')
      expect(examined?.checks.map(({ ok, detail }) => [ok, detail])).toEqual(examined?.checks.map(({ detail }) => [true, detail]))
      expect(examined?.recalled).toMatchObject({ questions: manifest.probes, same: manifest.probes, overlap: 1 })
      expect(manifest.probes).toBeGreaterThan(5)
    })

    test('every part of the schema that is gone', { timeout: 600_000 }, async () => {
      const here = 'c.relnamespace = current_schema()::regnamespace'
      const damages: Record<string, string> = {
        index: `select format('drop index %I cascade', c.relname) as text from pg_index i join pg_class c on c.oid = i.indexrelid where ${here} and not c.relispartition and not i.indisprimary`,
        constraint: `select format('alter table %I drop constraint %I cascade', c.relname, o.conname) as text from pg_constraint o join pg_class c on c.oid = o.conrelid where ${here} and not c.relispartition and o.conparentid = 0`,
        policy: `select format('drop policy %I on %I', p.polname, c.relname) as text from pg_policy p join pg_class c on c.oid = p.polrelid where ${here}`,
        wide: `select format('alter policy %I on %I using (true)', p.polname, c.relname) as text from pg_policy p join pg_class c on c.oid = p.polrelid where ${here} and pg_get_expr(p.polqual, p.polrelid) <> 'true'`,
        unsecured: `select format('alter table %I disable row level security', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p') and c.relrowsecurity`,
        unforced: `select format('alter table %I no force row level security', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p') and c.relforcerowsecurity`,
        trigger: `select format('drop trigger %I on %I', t.tgname, c.relname) as text from pg_trigger t join pg_class c on c.oid = t.tgrelid where ${here} and not t.tgisinternal and t.tgparentid = 0`,
        function: `select format('drop function %s cascade', p.oid::regprocedure) as text from pg_proc p where p.pronamespace = current_schema()::regnamespace`,
        grant: `select format('revoke all on %I from soma_worker', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p')
        and exists (select from aclexplode(c.relacl) g where g.grantee = 'soma_worker'::regrole)`,
        given: `select format('grant delete on %I to soma_app', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p') and not has_table_privilege('soma_app', c.oid, 'delete')`,
        default: `select format('alter table %I alter %I drop default', c.relname, a.attname) as text from pg_class c join pg_attribute a on a.attrelid = c.oid where ${here} and a.atthasdef and a.attgenerated = '' and not c.relispartition and c.relkind in ('r', 'p')`,
        column: `select format('alter table %I add surplus integer', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p') and not c.relispartition`,
        table: `select format('drop table %I cascade', c.relname) as text from pg_class c where ${here} and c.relkind in ('r', 'p')`,
      }
      for (const [kind, text] of Object.entries(damages)) {
        const all = await rows<{ text: string }>(`${text} order by 1`)
        expect([kind, all.length]).not.toEqual([kind, 0])
        let done = 0
        for (const damage of some(all, every ? 40 : 4)) {
          const found = await foundAfter(damage.text)
          // what Postgres refuses, such as to drop the not null of a key, is no damage
          if (!found) continue
          done += 1
          expect([damage.text, failed(found)]).toEqual([damage.text, expect.arrayContaining(['schema'])])
        }
        expect([kind, done]).not.toEqual([kind, 0])
      }
    })

    test('every table that lacks a row, and every column of one that is another', { timeout: 900_000 }, async () => {
      const columns = await rows<{ table: string; column: string; type: string }>(
        `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
         and c.relname not in ('schema_migrations', 'backup_states', 'audit_sealer', 'recovery_runs', 'recovery_schedule', 'vector_checks', 'vector_collections', 'words_recounted', 'quota_blocks', 'word_counts', 'outbox_ready', 'embedding_roles') order by 1, a.attnum`,
      )
      // what an archive leaves out on purpose: transaction ids, leases that have ended, and the generation, which may be any higher one
      const own = ({ table, column, type }: (typeof columns)[number]) =>
        type !== 'xid8' &&
        !(table === 'outbox' && column.startsWith('lease')) &&
        !(table === 'installation' && ['singleton', 'generation'].includes(column)) &&
        !(table === 'embedding_models' && column === 'dropped_at')
      const tables = [...new Set(columns.map(({ table }) => table))]
      let done = 0
      for (const table of tables) {
        const one = `(t.tableoid, t.ctid) = (select u.tableoid, u.ctid from "${table}" u ${table === 'tenants' ? 'where u.tenant_id > 1' : ''} limit 1)`
        const gone = await foundAfter(`delete from "${table}" t where ${one}`)
        if (gone) expect([table, failed(gone)]).toEqual([table, expect.arrayContaining(['contents'])])
        for (const { column, type } of some(
          columns.filter((each) => each.table === table && own(each)),
          every ? 100 : 3,
        )) {
          const value = otherValue(column, type)
          if (value === undefined) continue
          const found = await foundAfter(`update "${table}" t set "${column}" = ${value} where ${one}`)
          if (!found) continue
          done += 1
          expect([table, column, failed(found)]).toEqual([table, column, expect.arrayContaining(['contents'])])
        }
      }
      expect(done).toBeGreaterThan(every ? 120 : 30)
    })

    test('a tenant that is gone, vectors of another model, words, turns and sequences', async () => {
      const damages = [
        // a tenant with all it has
        ...[Math.max(...probes.keys())].map((tenant) => [
          `do $$ declare t record; begin for t in select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' where c.relnamespace = current_schema()::regnamespace
          and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'tenants' loop execute format('delete from %I where tenant_id = ${tenant}', t.relname); end loop; delete from tenants where tenant_id = ${tenant}; end $$`,
        ]),
        [
          'update vectors v set embedding = (select w.embedding from vectors w where w.tenant_id = v.tenant_id and w.memory_key <> v.memory_key order by w.memory_key desc limit 1)',
        ],
        [`update embedding_models set name = 'another', dimension = dimension + 1`],
        ['update postings set tf = tf + 1 where (tableoid, ctid) = (select tableoid, ctid from postings limit 1)'],
        ['delete from closed_postings where (tableoid, ctid) = (select tableoid, ctid from closed_postings limit 1)'],
        ['delete from outbox_ready'],
        [`select setval('memory_key_seq', 1)`],
        [`select setval(pg_get_serial_sequence('tenants', 'tenant_id'), 1)`],
        ['update installation set generation = 1'],
      ]
      for (const [damage] of damages) expect([damage, failed(await foundAfter(damage as string))]).toEqual([damage, expect.arrayContaining(['contents'])])
    })

    test('recall tells of words, vectors and versions too', async () => {
      for (const damage of ['delete from postings', 'delete from vectors', 'update memories set version = version + 1']) {
        expect([damage, failed(await foundAfter(damage))]).toEqual([damage, expect.arrayContaining(['contents', 'recall'])])
      }
    })
  },
  engines,
)

async function attempt(tx: Sql, text: string, values: unknown[]): Promise<boolean> {
  await tx.query('savepoint damage')
  try {
    await tx.query(text, values)
    await tx.query('release damage')
    return true
  } catch {
    await tx.query('rollback to damage')
    return false
  }
}
