import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { assertSafeRole, assertSchema, currentSchemaVersion, migrate, migrations, openPostgres, schemaVersion } from '../../shared/db/index.ts'
import { asAdmin, describeEveryEngine, type Product } from '../support/engines.ts'
import { adminSql } from './admin.ts'

const real = ['postgres 18', 'postgres 16'] as const

/** Sets a migration's record to something else, and back after the work. */
async function withRecord<T>(product: Product, change: string, undo: string, work: () => Promise<T>): Promise<T> {
  await adminSql(product, change)
  try {
    return await work()
  } finally {
    await adminSql(product, undo)
  }
}

describeEveryEngine('migrating', (product) => {
  test('a second run changes nothing', async () => {
    const owner = product().local.db.owner
    const objects = `select c.oid, c.relname, c.relacl::text as acl, (select count(*)::integer from pg_attribute a where a.attrelid = c.oid) as columns
      from pg_class c where c.relnamespace = current_schema()::regnamespace order by c.oid`
    const before = await adminSql(product(), objects)
    expect(await migrate(owner)).toEqual({ from: schemaVersion, to: schemaVersion })
    expect(await adminSql(product(), objects)).toEqual(before)
    expect(await currentSchemaVersion(owner)).toBe(migrations.length)
  })

  test('a schema that is newer than the code is refused', async () => {
    const owner = product().local.db.owner
    const newer = schemaVersion + 1
    await withRecord(product(), `insert into schema_migrations (version, checksum) values (${newer}, 'x')`, `delete from schema_migrations where version = ${newer}`, async () => {
      await expect(migrate(owner)).rejects.toThrow(`The database has schema ${newer}, this code knows ${schemaVersion}: deploy the newer code.`)
      // a deployment that goes back leaves it as it is
      expect(await migrate(owner, { newer: 'left' })).toEqual({ from: newer, to: newer })
      expect(await currentSchemaVersion(owner)).toBe(newer)
    })
  })

  test('a migration that was changed after it ran is refused', async () => {
    const owner = product().local.db.owner
    const [row] = await adminSql<{ checksum: string }>(product(), 'select checksum from schema_migrations where version = 2')
    await withRecord(
      product(),
      `update schema_migrations set checksum = 'other' where version = 2`,
      `update schema_migrations set checksum = '${row?.checksum}' where version = 2`,
      async () => {
        await expect(migrate(owner)).rejects.toThrow('Migration 2 was changed after it ran on this database')
      },
    )
  })

  test('a schema that is older than the code is not served', async () => {
    const [row] = await adminSql<{ checksum: string }>(product(), 'select checksum from schema_migrations where version = $1::integer', [schemaVersion])
    const undo = `insert into schema_migrations (version, checksum) values (${schemaVersion}, '${row?.checksum}')`
    await withRecord(product(), `delete from schema_migrations where version = ${schemaVersion}`, undo, async () => {
      await expect(assertSchema(product().local.db.app)).rejects.toThrow(`this code needs ${schemaVersion}: run \`npx soma migrate\``)
    })
    await expect(assertSchema(product().local.db.app)).resolves.toBeUndefined()
  })

  test('transactions run as roles that row-level security binds', async () => {
    const { app, worker } = product().local.db
    const loginIsSafe = product().engine !== 'pglite'
    expect(await assertSafeRole(app, 'soma_app')).toEqual({ loginIsSafe })
    expect(await assertSafeRole(worker, 'soma_worker')).toEqual({ loginIsSafe })
  })
})

describeEveryEngine(
  'migrating a Postgres',
  (product) => {
    /** A database of this test's own beside the product's. */
    async function withEmpty<T>(work: (url: string) => Promise<T>): Promise<T> {
      const name = `soma_empty_${randomBytes(6).toString('hex')}`
      const adminUrl = product().adminUrl as string
      await asAdmin(adminUrl, (client) => client.query(`create database ${name}`))
      try {
        return await work(Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href)
      } finally {
        await asAdmin(adminUrl, (client) => client.query(`drop database ${name} with (force)`))
      }
    }
    const open = (url: string) => openPostgres({ url, max: 2, onError: () => {} })

    test('four migrates at the same moment all end well, and each migration ran once', async () => {
      await withEmpty(async (url) => {
        const databases = Array.from({ length: 4 }, () => open(url))
        const reports = await Promise.all(databases.map((database) => migrate(database)))
        expect(reports.map(({ from }) => from).sort((a, b) => a - b)).toEqual([0, schemaVersion, schemaVersion, schemaVersion])
        expect(reports.map(({ to }) => to)).toEqual(reports.map(() => schemaVersion))
        await Promise.all(databases.map((database) => database.close()))
        const applied = await asAdmin(url, (client) => client.query('select version from schema_migrations order by version'))
        expect(applied.rows.map((row) => row.version)).toEqual(migrations.map((_, i) => i + 1))
      })
    })

    test('a migration that fails is rolled back whole, and the next run goes on from there', async () => {
      await withEmpty(async (url) => {
        const database = open(url)
        // the first migration cannot create what is there already
        await asAdmin(url, (client) => client.query('create table tenants (obstacle integer)'))
        await expect(migrate(database)).rejects.toThrow('Migration 1 failed and was rolled back')
        expect(await currentSchemaVersion(database)).toBe(0)
        const left = await asAdmin(url, (client) => client.query(`select to_regclass('installation') as installation`))
        expect(left.rows).toEqual([{ installation: null }])
        await asAdmin(url, (client) => client.query('drop table tenants'))
        expect(await migrate(database)).toEqual({ from: 0, to: schemaVersion })
        await database.close()
      })
    })

    test('a database that a plain owner, no superuser, migrates is the same', async () => {
      await withEmpty(async (url) => {
        const login = `soma_owner_${randomBytes(6).toString('hex')}`
        const { pathname } = new URL(url)
        await asAdmin(url, async (client) => {
          await client.query('create extension vector')
          await client.query(`create role ${login} login createrole password 'test' in role soma_owner`)
          await client.query(`alter database ${pathname.slice(1)} owner to ${login}`)
        })
        const database = open(Object.assign(new URL(url), { username: login, password: 'test' }).href)
        expect(await migrate(database)).toEqual({ from: 0, to: schemaVersion })
        await database.close()
        const owners = await asAdmin(url, (client) => client.query(`select distinct tableowner from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'`))
        expect(owners.rows).toEqual([{ tableowner: 'soma_owner' }])
        await asAdmin(url, async (client) => {
          await client.query(`alter database ${pathname.slice(1)} owner to postgres`)
          await client.query(`drop owned by ${login}`)
        })
        await asAdmin(product().adminUrl as string, (client) => client.query(`drop role ${login}`))
      })
    })

    test('words of before learn the second in which they were recorded', async () => {
      await withEmpty(async (url) => {
        const database = open(url)
        const before = migrations.slice(0, 16)
        await asAdmin(url, async (client) => {
          await client.query('create table schema_migrations (version integer primary key, checksum text not null, applied_at timestamptz not null default now())')
          for (const [index, text] of before.entries()) {
            await client.query(`begin; ${text}; reset role`)
            await client.query('insert into schema_migrations (version, checksum) values ($1, $2)', [index + 1, createHash('sha256').update(text).digest('hex')])
            await client.query('commit')
          }
          await client.query(`insert into memories (tenant_id, memory_key, id, version, namespace_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, occurred_at, namespace, memory_type, text)
            values (1, 7, gen_random_uuid(), 1, 1, 1, 1, 4, 1, now(), '2024-03-01T10:00:00.5Z', pg_current_xact_id(), now(), 'default', 'episodic', 'lamp')`)
          await client.query(`insert into postings values (1, 1, 7, null, 1, 1, 'lamp')`)
        })
        expect(await migrate(database)).toEqual({ from: before.length, to: schemaVersion })
        await database.close()
        const words = await asAdmin(url, (client) => client.query(`select term, recorded_second from postings`))
        expect(words.rows).toEqual([{ term: 'lamp', recorded_second: Date.parse('2024-03-01T10:00:00Z') / 1000 }])
      })
    })

    test('a scratch schema beside the live one takes the same migrations, and the live one keeps its own', async () => {
      await withEmpty(async (url) => {
        const live = open(url)
        await migrate(live)
        await asAdmin(url, (client) => client.query('create schema drill'))
        const scratch = open(`${url}?options=${encodeURIComponent('-c search_path=drill,public')}`)
        expect(await migrate(scratch)).toEqual({ from: 0, to: schemaVersion })
        const tables = await asAdmin(url, (client) =>
          client.query(
            `select n.nspname, count(*)::integer as n from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and n.nspname in ('public', 'drill') group by 1`,
          ),
        )
        const [one, two] = tables.rows
        expect([one.n, new Set([one.nspname, two.nspname])]).toEqual([two.n, new Set(['drill', 'public'])])
        await Promise.all([live.close(), scratch.close()])
      })
    })
  },
  [...real],
)
