import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { migrate, openPostgres } from '../../shared/db/index.ts'
import { openEmbeddedDatabase } from '../../shared/embedded/index.ts'
import { asAdmin } from './admin.ts'

/** One name for all workers of a run; vitest's global setup gives it, and takes the databases of that name away (services.ts). */
const run = () => process.env.SOMA_TEST_RUN
export const templateName = (name: string) => `soma_template_${name}`

/**
 * A migrated database without content, which those of suites begin as copies of: the migrations take longer than most suites. Made by whoever needs it first.
 * @returns undefined outside of a run of vitest
 */
export async function templateOn(serverUrl: string): Promise<string | undefined> {
  const name = run()
  if (!name) return undefined
  const template = templateName(name)
  await asAdmin(serverUrl, async (client) => {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [template])
    const { rowCount } = await client.query('select from pg_database where datname = $1', [template])
    if (rowCount) return
    const building = `${template}_${randomBytes(3).toString('hex')}`
    await client.query(`create database ${building}`)
    const owner = openPostgres({ url: Object.assign(new URL(serverUrl), { pathname: `/${building}` }).href, max: 1, onError: () => {} })
    try {
      await migrate(owner)
    } finally {
      await owner.close()
    }
    // connections that are closing would keep it from being copied
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [building])
    await client.query(`alter database ${building} with allow_connections false`)
    await client.query(`alter database ${building} rename to ${template}`)
  })
  return template
}

/** Those of a run, and of runs that were interrupted a day ago: of what another machine's runs have here it is not seen whether they go on. */
export async function dropTemplates(serverUrl: string, name: string): Promise<void> {
  await asAdmin(serverUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      `select datname from pg_database where starts_with(datname, $1)
       or (starts_with(datname, $2) and (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification < now() - interval '1 day')`,
      [templateName(name), templateName('')],
    )
    for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`)
  })
}

const folderOf = (name: string) => join(tmpdir(), `soma-test-${name}`)

/**
 * A data directory of the embedded engine's as it is after its first start, since that takes several seconds of the engine's own initdb; the workers of a run copy one.
 * @param into absent or empty; `memory://` stays that
 * @returns `into`, or else a directory that goes at the end of the run
 */
export async function embeddedCopy(into?: string): Promise<string> {
  const name = run()
  if (!name || into === 'memory://') return into ?? 'memory://'
  const template = join(folderOf(name), 'template')
  if (!existsSync(template)) await makeEmbedded(template)
  const copy = into ?? mkdtempSync(join(folderOf(name), 'copy-'))
  cpSync(template, copy, { recursive: true })
  return copy
}

/** Two workers may make it at the same moment: the first to finish wins. */
async function makeEmbedded(template: string): Promise<void> {
  mkdirSync(dirname(template), { recursive: true, mode: 0o700 })
  const building = mkdtempSync(`${template}-`)
  const database = await openEmbeddedDatabase({ dataDir: building, onEvent: () => {} })
  try {
    await migrate(database)
  } finally {
    await database.close()
  }
  try {
    renameSync(building, template)
  } catch (error) {
    rmSync(building, { recursive: true, force: true })
    if (!existsSync(template)) throw error
  }
}

export function dropEmbedded(name: string): void {
  rmSync(folderOf(name), { recursive: true, force: true })
}

/** A run that was interrupted leaves what it made: its name says which process that was. */
export const nameOfRun = (): string => `${process.pid}_${randomBytes(3).toString('hex')}`
const isOver = (name: string): boolean => {
  try {
    process.kill(Number.parseInt(name, 10), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

/** Takes away the folders that runs of before have left here. */
export function dropLeftOver(): void {
  for (const folder of readdirSync(tmpdir())) {
    const [, name] = /^soma-test-(\d+_[0-9a-f]+)$/.exec(folder) ?? []
    if (name && isOver(name)) dropEmbedded(name)
  }
}
