import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createMigrate } from '../../functions/migrate/handler.ts'
import { type RunningPostgres, startPostgres } from '../../local/services/postgres.ts'
import { assertSafeRole, openPostgres, schemaVersion } from '../../shared/db/index.ts'
import { scramVerifier } from '../../shared/db/logins.ts'
import { asAdmin } from '../support/admin.ts'
import { requireService } from '../support/services.ts'

const hex = () => randomBytes(4).toString('hex')
const available = requireService('POSTGRES_URL')
const never = new AbortController().signal

// in a cluster of its own: elsewhere other suites have made the roles
describe.skipIf(!available).each([18, 16] as const)('a database that nobody has prepared, on PostgreSQL %s', (major) => {
  let server: RunningPostgres
  let serverUrl: string
  const id = hex()
  const names = { admin: `admin_${id}`, migrator: `migrator_${id}`, app: `requests_${id}`, worker: `jobs_${id}` }
  const database = `soma_new_${id}`
  const url = (user: string, password: string) => Object.assign(new URL(serverUrl), { username: user, password, pathname: `/${database}` }).href
  const open = (of: string) => openPostgres({ url: of, max: 1, onError: () => {} })
  const at = (passwords: { migrator: string; app: string; worker: string }) => ({
    openAdmin: () => open(url(names.admin, 'admin-password')),
    migrator: url(names.migrator, passwords.migrator),
    app: url(names.app, passwords.app),
    worker: url(names.worker, passwords.worker),
  })
  const first = { migrator: 'm1', app: 'a1', worker: 'w1' }

  async function migrateWith(passwords: typeof first) {
    const owner = open(url(names.migrator, passwords.migrator))
    try {
      return await createMigrate({ owner, newDatabase: at(passwords) })(never)
    } finally {
      await owner.close()
    }
  }

  const connects = async (of: string) => {
    const client = new pg.Client({ connectionString: of })
    try {
      await client.connect()
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => {})
    }
  }

  beforeAll(async () => {
    server = await startPostgres({ major, fsync: false })
    serverUrl = server.url
    // as RDS' master user is: no superuser, but it may make roles, and owns the database
    await asAdmin(serverUrl, async (client) => {
      await client.query(`create role ${names.admin} login createrole createdb password 'admin-password'`)
      await client.query(`create database ${database} owner ${names.admin}`)
    })
    // which RDS lets its master user do, and a server as it comes does not
    await asAdmin(Object.assign(new URL(serverUrl), { pathname: `/${database}` }).href, (client) => client.query('create extension vector'))
  }, 60_000)
  afterAll(() => server?.stop())

  test('has its extension, its owner, its schema and its logins afterwards', async () => {
    expect(await migrateWith(first)).toMatchObject({ detail: { from: 0, to: schemaVersion } })
    for (const [role, of] of [
      ['soma_app', at(first).app],
      ['soma_worker', at(first).worker],
    ] as const) {
      const db = open(of)
      expect(await assertSafeRole(db, role)).toEqual({ loginIsSafe: true })
      await db.close()
    }
  })

  test('is left as it is by the next run, which takes the passwords that are wanted now', async () => {
    const second = { migrator: 'm2', app: 'a2', worker: 'w2' }
    expect(await migrateWith(second)).toMatchObject({ detail: { from: schemaVersion, to: schemaVersion } })
    expect(await connects(at(second).app)).toBe(true)
    expect(await connects(at(first).app)).toBe(false)
  })

  test('has logins that may do nothing but what their role may, and a migrator that is no superuser', async () => {
    const rights = await asAdmin(serverUrl, async (client) => {
      const { rows } = await client.query(
        `select rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit,
           (select array_agg(r.rolname::text order by 1) from pg_auth_members m join pg_roles r on r.oid = m.roleid where m.member = a.oid and r.rolname like 'soma\\_%') as member_of
         from pg_roles a where rolname = any($1) order by rolname`,
        [[names.app, names.worker, names.migrator]],
      )
      return rows
    })
    const none = { rolsuper: false, rolcreatedb: false, rolbypassrls: false }
    expect(rights).toEqual([
      { ...none, rolname: names.worker, rolcreaterole: false, rolinherit: false, member_of: ['soma_worker'] },
      { ...none, rolname: names.migrator, rolcreaterole: true, rolinherit: true, member_of: expect.arrayContaining(['soma_app', 'soma_owner', 'soma_worker']) },
      { ...none, rolname: names.app, rolcreaterole: false, rolinherit: false, member_of: ['soma_app'] },
    ])
  })

  test('never sees a password: PostgreSQL is sent what it keeps of one', async () => {
    const [kept] = await asAdmin(serverUrl, async (client) => (await client.query('select rolpassword from pg_authid where rolname = $1', [names.app])).rows)
    const [, salt = ''] = /^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(kept.rolpassword) ?? []
    expect(kept.rolpassword).toBe(scramVerifier('a2', Buffer.from(salt, 'base64')))
  })

  test('a password that was changed is asked for again, and everything goes on', async () => {
    let asked = 0
    const errors: Error[] = []
    const freshUrl = async () => {
      asked++
      return url(names.app, 'a3')
    }
    const db = openPostgres({ url: url(names.app, 'a2'), max: 2, onError: (error) => errors.push(error), freshUrl })
    const who = () => db.statement<{ who: string }>({ role: 'soma_app', tenantId: 1 }, 'select session_user::text as who')
    expect(await who()).toEqual([{ who: names.app }])
    await asAdmin(serverUrl, async (client) => {
      await client.query(`alter role ${names.app} password 'a3'`)
      await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where usename = $1`, [names.app])
    })
    await expect.poll(() => who().catch(() => 'lost')).toEqual([{ who: names.app }])
    expect(await Promise.all(Array.from({ length: 4 }, who))).toEqual(Array(4).fill([{ who: names.app }]))
    expect(asked).toBe(1)
    await db.close()
  })

  test('a password that stays wrong is an error, and not a call to the secret store with every request', async () => {
    let asked = 0
    const freshUrl = async () => {
      asked++
      return url(names.app, 'wrong')
    }
    const db = openPostgres({ url: url(names.app, 'wrong'), max: 2, onError: () => {}, freshUrl })
    const ask = () => db.statement({ role: 'soma_app', tenantId: 1 }, 'select')
    for (let time = 0; time < 5; time++) await expect(ask()).rejects.toMatchObject({ code: 'unavailable' })
    expect(asked).toBeLessThanOrEqual(2)
    await db.close()
  })
})

test('a password that would have to be prepared first is refused', () => {
  expect(() => scramVerifier('pässword')).toThrow('printable ASCII')
})
