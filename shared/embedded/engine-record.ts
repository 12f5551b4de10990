import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as z from 'zod'

/** The major version of Postgres inside the PGlite of package.json; its data directories fit no other. */
export const POSTGRES_MAJOR = 18

const OURS = new Set(['lock', 'engine.json', 'engine.json.new', 'pg', 'signing-key', 'server.json', 'backups'])

/** `initialized` turns true after the first open; until then nothing in `pg` was ever acknowledged to anybody. */
const EngineRecord = z.object({ engine: z.literal('pglite'), postgresMajor: z.number(), pglite: z.string(), initialized: z.boolean() })

/**
 * Reads `<dataDir>/engine.json` and refuses, having touched nothing, what this engine must not open.
 * @returns `new` (empty), `unfinished` (the first start was interrupted) or `initialized`
 */
export function inspectDirectory(dataDir: string): 'new' | 'unfinished' | 'initialized' {
  const entries = existsSync(dataDir) ? readdirSync(dataDir) : []
  const foreign = entries.filter((name) => !OURS.has(name))
  const recorded = entries.includes('engine.json')
  if (!recorded && (foreign.length > 0 || entries.includes('pg'))) {
    const found = foreign[0] ?? 'pg'
    throw new Error(`The directory ${dataDir} holds something else than Soma's embedded database (${found}, and no engine.json). Choose an empty or a new directory.`)
  }
  if (!recorded) return 'new'

  const record = readRecord(dataDir)
  refuseOtherMajor(dataDir, record.postgresMajor)
  if (!record.initialized) return 'unfinished'
  const versionFile = join(dataDir, 'pg', 'PG_VERSION')
  if (!existsSync(versionFile)) {
    throw new Error(`The data directory ${dataDir} is damaged: pg/PG_VERSION is missing. Restore it from a backup, or move the directory away to start empty.`)
  }
  refuseOtherMajor(dataDir, Number.parseInt(readFileSync(versionFile, 'utf8'), 10))
  return 'initialized'
}

/** Throws away a cluster whose creation was interrupted: the engine would take the torn copy for a database. */
export function beginRecord(dataDir: string): void {
  rmSync(join(dataDir, 'pg'), { recursive: true, force: true })
  writeRecord(dataDir, false)
}

export function finishRecord(dataDir: string): void {
  writeRecord(dataDir, true)
}

/** The version of the installed package, e.g. `0.5.14`. */
export function pgliteVersion(): string {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite')
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8'))).version
}

function readRecord(dataDir: string): z.infer<typeof EngineRecord> {
  const path = join(dataDir, 'engine.json')
  try {
    return EngineRecord.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    throw new Error(`${path} cannot be read as Soma's record of its engine. Restore it from a backup, or move the directory away.`, { cause })
  }
}

/** By rename, so that a crash leaves the old record or the new one and nothing between. */
function writeRecord(dataDir: string, initialized: boolean): void {
  const path = join(dataDir, 'engine.json')
  const record: z.infer<typeof EngineRecord> = { engine: 'pglite', postgresMajor: POSTGRES_MAJOR, pglite: pgliteVersion(), initialized }
  writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

function refuseOtherMajor(dataDir: string, major: number): void {
  if (major === POSTGRES_MAJOR) return
  throw new Error(
    `The data directory ${dataDir} was written by Postgres ${major}; this version of Soma runs Postgres ${POSTGRES_MAJOR} and cannot open it. ` +
      'Export the data with the Soma version that wrote it and import it here, or move the directory away to start empty.',
  )
}
