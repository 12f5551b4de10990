import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type { Database, Sql } from './database.ts'

/** A login's name and password, as its URL has them. */
export type Login = { name: string; password: string }

/** @throws Error when the URL has no name or no password */
export function loginOf(url: string): Login {
  const { username, password } = new URL(url)
  if (!username || !password) throw new Error('The URL of a login that is to be made has to name it and its password.')
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) }
}

/**
 * Makes what a migration needs in a new database: the extension, and the login that owns the schema. `admin` is who may make roles and owns the database, such as the master user of RDS, which is no
 * superuser. Run again it changes nothing but the password.
 */
export function prepareDatabase(admin: Database, migrator: Login): Promise<void> {
  return admin.maintenance(async (sql) => {
    await sql.query('create extension if not exists vector')
    await setLogin(sql, migrator, 'createrole')
    const [found] = await sql.query<{ owner: string; member: boolean }>(
      `select pg_get_userbyid(datdba) as owner, (select rolsuper from pg_roles where rolname = current_user) or pg_has_role(current_user, $1, 'set') as member from pg_database where datname = current_database()`,
      [migrator.name],
    )
    if (found?.owner === migrator.name) return
    // PostgreSQL gives who makes a role the right to grant it, and not its membership, which a change of owner asks for
    if (!found?.member) await run(sql, `grant %I to current_user`, migrator.name)
    await run(sql, `alter database %I owner to %I`, await databaseName(sql), migrator.name)
  })
}

/** Makes the login of the application or of its workers, or gives it its password: a member of `role` and nothing else. `owner` is the login that has migrated. */
export function ensureLogin(owner: Database, login: Login, role: 'soma_app' | 'soma_worker'): Promise<void> {
  return owner.maintenance(async (sql) => {
    await setLogin(sql, login, 'noinherit')
    const [found] = await sql.query<{ member: boolean }>(`select pg_has_role($1, $2, 'set') as member`, [login.name, role])
    if (!found?.member) await run(sql, `grant %I to %I`, role, login.name)
  })
}

async function setLogin(sql: Sql, { name, password }: Login, attribute: 'createrole' | 'noinherit'): Promise<void> {
  const [found] = await sql.query('select from pg_roles where rolname = $1', [name])
  await run(sql, found ? `alter role %I password %L` : `create role %I login ${attribute} password %L`, name, scramVerifier(password))
}

async function run(sql: Sql, format: string, ...names: string[]): Promise<void> {
  const [made] = await sql.query<{ text: string }>('select format($1, variadic $2::text[]) as text', [format, names])
  await sql.query(made?.text ?? '')
}

async function databaseName(sql: Sql): Promise<string> {
  const [row] = await sql.query<{ name: string }>('select current_database() as name')
  return row?.name ?? ''
}

const iterations = 4096

/** What PostgreSQL keeps of a password, so that neither a log nor pg_stat_activity ever sees it (RFC 5802 and 5803). The password is of ASCII: others would have to be prepared first (RFC 4013). */
export function scramVerifier(password: string, salt = randomBytes(16)): string {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new Error('The password of a login takes printable ASCII characters.')
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${keyed('Server Key').toString('base64')}`
}
