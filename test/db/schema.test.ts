import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeEveryEngine } from '../support/engines.ts'
import { adminSql } from './admin.ts'

/** The few tables that are the installation's and no tenant's. */
const globalTables = [
  'audit_sealer',
  'backup_states',
  'embedding_models',
  'embedding_roles',
  'installation',
  'recovery_runs',
  'recovery_schedule',
  'schema_migrations',
  'vector_checks',
  'vector_collections',
  'words_recounted',
]
/** Keys of the tenants' registry itself: the name is unique over the installation, and an identity is no tenant's column. */
const globalKeys = ['tenants_name_key']
const here = `c.relnamespace = current_schema()::regnamespace`

describeEveryEngine('the schema', (product) => {
  const names = async (text: string) => (await adminSql<{ name: string }>(product(), text)).map(({ name }) => name)

  test('every table has tenant_id, except the global ones', async () => {
    const without = await names(`select c.relname as name from pg_class c where ${here} and c.relkind in ('r', 'p')
      and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) order by 1`)
    expect(without).toEqual(globalTables)
  })

  test('every table of tenants, and each partition, has row-level security enabled and forced', async () => {
    const tenantTables = await names(`select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
      where ${here} and c.relkind in ('r', 'p') order by 1`)
    const secured = await names(`select c.relname as name from pg_class c where ${here} and c.relrowsecurity and c.relforcerowsecurity order by 1`)
    expect(secured).toEqual(tenantTables)
    expect(secured.length).toBeGreaterThan(80)
  })

  test('every table of tenants has the policy of its own tenant, for both roles, to read and to write', async () => {
    const parents = await names(`select c.relname as name from pg_class c where ${here} and c.relrowsecurity and not c.relispartition order by 1`)
    const own = await adminSql<{ name: string; roles: string; reads: string; writes: string; cmd: string }>(
      product(),
      `select tablename as name, roles::text, qual as reads, with_check as writes, cmd from pg_policies where schemaname = current_schema() and policyname = 'own_tenant' and tablename !~ '_p[0-7]$' order by 1`,
    )
    expect(own.map(({ name }) => name)).toEqual(parents)
    expect(new Set(own.map(({ roles, cmd }) => `${roles} ${cmd}`))).toEqual(new Set(['{soma_app,soma_worker} ALL']))
    const conditions = new Set(own.flatMap(({ reads, writes }) => [reads, writes]))
    expect(conditions).toEqual(new Set([`(tenant_id = (NULLIF(current_setting('soma.tenant'::text, true), ''::text))::integer)`]))
  })

  test('the only policies beyond one’s own tenant are the worker’s, and the one row of whoever names it, by name', async () => {
    const others = await adminSql(
      product(),
      `select tablename, policyname, roles::text from pg_policies where schemaname = current_schema() and policyname <> 'own_tenant' order by 1, 2`,
    )
    expect(others).toEqual([
      { tablename: 'outbox_ready', policyname: 'worker_turns', roles: '{soma_worker}' },
      { tablename: 'scope_stats', policyname: 'worker_rollup', roles: '{soma_worker}' },
      { tablename: 'session_stats', policyname: 'worker_rollup', roles: '{soma_worker}' },
      { tablename: 'tenants', policyname: 'by_name', roles: '{soma_app}' },
      { tablename: 'tenants', policyname: 'worker_registry', roles: '{soma_worker}' },
      { tablename: 'usage_deltas', policyname: 'worker_rollup', roles: '{soma_worker}' },
      { tablename: 'usage_hours', policyname: 'worker_rollup', roles: '{soma_worker}' },
    ])
  })

  test('the partitions that a recall names may be read, under the policy of their table; no other grant on a partition is there', async () => {
    const named = ['closed_postings', 'closed_vectors', 'memories', 'memory_versions', 'postings', 'vectors'].flatMap((table) => [...'01234567'].map((part) => `${table}_p${part}`))
    const granted = await names(`select c.relname || ' ' || pg_get_userbyid(g.grantee) || ' ' || g.privilege_type as name from pg_class c, aclexplode(c.relacl) g
      where ${here} and c.relispartition and c.relkind = 'r' and g.grantee in (0, 'soma_app'::regrole, 'soma_worker'::regrole) order by 1`)
    // by soma_worker for a drill, which asks what a backup has asked
    expect(granted).toEqual(named.flatMap((name) => [`${name} soma_app SELECT`, `${name} soma_worker SELECT`]))
    const policies = await adminSql<{ name: string; rule: string }>(
      product(),
      `select tablename as name, concat_ws(' ', policyname, roles, cmd, qual, with_check) as rule from pg_policies where schemaname = current_schema() and tablename ~ '_p[0-7]$' order by 1`,
    )
    expect(policies.map(({ name }) => name)).toEqual(named)
    expect(new Set(policies.map(({ rule }) => rule))).toEqual(
      new Set([`own_tenant {soma_app,soma_worker} SELECT (tenant_id = (NULLIF(current_setting('soma.tenant'::text, true), ''::text))::integer)`]),
    )
    const partitions = await names(`select c.relname as name from pg_class c where ${here} and c.relispartition and c.relkind = 'r'`)
    expect(partitions).toHaveLength(88)
  })

  test('each primary and unique key begins with tenant_id', async () => {
    const keys = await adminSql<{ table: string; name: string; first: string }>(
      product(),
      `select t.relname as table, c.relname as name, a.attname as first from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
       join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] where ${here} and i.indisunique order by 1, 2`,
    )
    const others = keys.filter((key) => key.first !== 'tenant_id' && !globalTables.includes(key.table))
    expect(others.map(({ name }) => name)).toEqual(globalKeys)
    expect(keys.length).toBeGreaterThan(80)
  })

  test('memory_versions begins with the columns of memories, in their order and of their types', async () => {
    const columns = async (table: string) =>
      (
        await adminSql<{ column: string }>(
          product(),
          `select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end as column
           from pg_attribute a where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`,
          [table],
        )
      ).map(({ column }) => column)
    const memories = await columns('memories')
    const versions = await columns('memory_versions')
    expect(versions.slice(0, memories.length)).toEqual(memories)
    expect(versions.slice(memories.length)).toEqual(['closed_at timestamp with time zone not null', 'closed_xid xid8 not null', 'state text not null'])
  })

  test('every function runs with the rights of its caller', async () => {
    const definers = await names(`select p.proname as name from pg_proc p where p.pronamespace = current_schema()::regnamespace and p.prosecdef`)
    expect(definers).toEqual([])
  })

  test('soma_app can read no key of another place: no grant beyond what it writes and reads', async () => {
    const grants = await names(`select c.relname || ' ' || lower(g.privilege_type) as name from pg_class c, aclexplode(c.relacl) g
      where ${here} and g.grantee = 'soma_app'::regrole and c.relname in ('outbox', 'outbox_ready', 'memory_events', 'usage_deltas', 'usage_hours', 'audit_log', 'tenants', 'installation', 'erasures') order by 1`)
    expect(grants).toEqual([
      'audit_log select',
      'erasures select',
      'installation select',
      'memory_events select',
      'outbox insert',
      'outbox select',
      'outbox_ready insert',
      'tenants select',
      'usage_deltas insert',
      'usage_deltas select',
      'usage_hours select',
    ])
  })

  test('what is written to the audit log, its chain and its checkpoints stays: no role that works may change or remove it, nor choose when a row counts as done', async () => {
    const grants = await names(`select concat_ws(' ', c.relname, g.grantee::regrole, lower(g.privilege_type)) as name from pg_class c, aclexplode(c.relacl) g
      where ${here} and g.grantee <> c.relowner and c.relname ~ '^audit_(log|chain|checkpoints)' and not c.relispartition order by 1`)
    expect(grants).toEqual([
      'audit_chain soma_app select',
      'audit_chain soma_worker insert',
      'audit_chain soma_worker select',
      'audit_checkpoints soma_worker insert',
      'audit_checkpoints soma_worker select',
      'audit_log soma_app select',
      'audit_log soma_worker insert',
      'audit_log soma_worker select',
    ])
    const columns =
      await names(`select concat_ws(' ', c.relname, a.attname, g.grantee::regrole, lower(g.privilege_type)) as name from pg_class c join pg_attribute a on a.attrelid = c.oid, aclexplode(a.attacl) g
      where ${here} and c.relname ~ '^audit_' and not c.relispartition order by 1`)
    expect(columns).toEqual(['action', 'actor', 'at', 'detail', 'request_id', 'target', 'tenant_id'].map((column) => `audit_log ${column} soma_app insert`))
  })
})

describe('SQL in the code', () => {
  test('no statement names the schema public', () => {
    const files = ['shared', 'functions', 'local'].flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => `${folder}/${file}`),
    )
    expect(files.length).toBeGreaterThan(50)
    expect(files.filter((file) => /\bpublic\./.test(readFileSync(file, 'utf8')))).toEqual([])
  })
})
