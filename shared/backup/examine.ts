import type { Sql } from '../db/index.ts'
import { modelUse } from '../vector/index.ts'
import type { Manifest } from './format.ts'
import { lagging } from './installation.ts'
import { addSums, rowSumSql } from './row-hash.ts'
import { actForTenant, filledTables, readTables, setForms } from './tables.ts'
import { addWordSums, type WordSums, wordSumsOf } from './word-sums.ts'

/**
 * What a restored database holds, held against the manifest of the archive that it came from: every table's rows and their content hash, words, tenants, models, the installation,
 * sequences and turns. Answers a sentence for each thing that differs. In the given transaction, as soma_worker.
 */
export async function examineContents(tx: Sql, manifest: Manifest, onRows: (rows: number) => void = () => {}): Promise<string[]> {
  await setForms(tx)
  await tx.query(`select set_config('max_parallel_workers_per_gather', '2', true)`)
  const tables = await readTables(tx)
  const there = (await tx.query<{ tenant_id: number }>('select tenant_id from tenants order by tenant_id')).map((row) => row.tenant_id)
  // beside the only tenant of an archive there are those that every schema has
  const tenants = manifest.only === null ? there : there.filter((tenant) => tenant === manifest.only)
  const found = new Map<string, { rows: string; sums: string[] }[]>(tables.map(({ name }) => [name, []]))
  const words: WordSums[] = []
  const problems: string[] = []
  let done = 0
  for (const tenant of tenants) {
    await actForTenant(tx, tenant)
    for (const table of await filledTables(
      tx,
      tenant,
      tables.map(({ name }) => name),
    )) {
      const sums = await tx.query<{ rows: string; sums: string[] }>(rowSumSql((tables.find(({ name }) => name === table) as (typeof tables)[number]).select(tenant)))
      found.get(table)?.push(...sums)
      done += sums.reduce((sum, { rows }) => sum + Number(rows), 0)
      onRows(done)
    }
    if (manifest.words) words.push(await wordSumsOf(tx, tenant))
    if (await lacksTurn(tx, tenant)) problems.push(`The tenant ${tenant} has events to be sent and no turn in outbox_ready.`)
  }
  if (tenants.length !== manifest.tenants) problems.push(`There are ${tenants.length} tenants, the manifest says ${manifest.tenants}.`)
  for (const [name, parts] of found) {
    const { rows, content } = manifest.tables[name] ?? { rows: 0, content: '' }
    const count = parts.reduce((sum, part) => sum + Number(part.rows), 0)
    if (count !== rows) problems.push(`The table ${name} has ${count} rows, the manifest says ${rows}.`)
    else if (addSums(parts) !== content) problems.push(`The rows of the table ${name} are not those that the manifest has the content hash of.`)
  }
  if (manifest.words) {
    const sums = addWordSums(words)
    for (const [name, { rows, sum }] of Object.entries(manifest.words)) {
      const now = sums[name as keyof WordSums]
      if (now.rows !== rows || now.sum !== sum) problems.push(`The words in ${name} (${now.rows}) are not the ${rows} that the database had which the archive is of.`)
    }
  }
  return [...problems, ...(await installationProblems(tx, manifest)), ...(await lagging(tx, tenants))]
}

async function lacksTurn(tx: Sql, tenant: number): Promise<boolean> {
  const [row] = await tx.query<{ lacks: boolean }>(
    `select exists (select from outbox o where o.tenant_id = $1::integer and o.status = 'pending') and not exists (select from outbox_ready r where r.tenant_id = $1::integer) as lacks`,
    [tenant],
  )
  return row?.lacks ?? false
}

async function installationProblems(tx: Sql, { installation, embedding_models: models }: Manifest): Promise<string[]> {
  const [row] = await tx.query<{ installation_id: string; generation: number; signing_keys: unknown; created_then: boolean }>(
    'select installation_id, generation, signing_keys, created_at = $1::timestamptz as created_then from installation',
    [installation.created_at],
  )
  const problems: string[] = []
  if (row?.installation_id !== installation.installation_id) problems.push('The installation has another id than the one that the archive is of.')
  if (!row || row.generation <= installation.generation)
    problems.push(`The installation's generation is ${row?.generation}: it has to be above ${installation.generation}, which the archive has.`)
  if (!row?.created_then) problems.push('The installation was created at another time than the one that the archive is of.')
  if (JSON.stringify(sorted(row?.signing_keys)) !== JSON.stringify(sorted(installation.signing_keys)))
    problems.push('The fingerprints of the signing keys are not those of the archive.')
  const found = await tx.query<{ model_key: number; name: string; dimension: number; use: string | null }>(
    `select e.model_key, e.name, e.dimension, ${modelUse} as use
     from embedding_models e left join embedding_roles r on true order by e.model_key`,
  )
  if (JSON.stringify(found.map(plain)) !== JSON.stringify(models.map(plain))) problems.push('The embedding models and what they are here for are not those of the archive.')
  return problems
}

const plain = ({ model_key, name, dimension, use }: { model_key: number; name: string; dimension: number; use: string | null }) => [model_key, name, dimension, use]
const sorted = (value: unknown): unknown => (value && typeof value === 'object' ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value)
