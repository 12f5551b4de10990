import { examineContents, type Manifest } from '../backup/index.ts'
import type { Sql } from '../db/index.ts'
import { askQuestion, compare, type Probe } from '../probe/index.ts'
import { type Catalog, catalogProblems, readCatalog } from './catalog.ts'
import { indexProblems } from './use-of-indexes.ts'

export type Check = { name: string; ok: boolean; detail: string }
/** How a copy answers: how many questions, how many of them to the letter, what share of all answers comes again, and how long they take. */
export type Recalled = { questions: number; same: number; overlap: number; p50_ms: number | null; p95_ms: number | null }
export type Examined = { checks: Check[]; recalled: Recalled }
export type Expected = { manifest: Manifest; probes: ReadonlyMap<number, readonly Probe[]>; catalog: Catalog }

const told = 5

/**
 * Whether a restored database is what it was: what its schema is made of, every row, the words, sequences and turns, that requests are served by indexes, and that it
 * recalls the same. In the given transaction, as soma_worker, of whose schema it speaks; it writes nothing.
 */
export async function examine(tx: Sql, { manifest, probes, catalog }: Expected, onRows: (rows: number) => void = () => {}): Promise<Examined> {
  const checks: Check[] = []
  let recalled: Recalled = { questions: 0, same: 0, overlap: 1, p50_ms: null, p95_ms: null }
  const check = async (name: string, good: () => string, work: () => Promise<string[]>) => {
    await tx.query('savepoint examined')
    const problems = await work().catch(async (error) => {
      await tx.query('rollback to examined')
      return [`It could not be looked at: ${error instanceof Error ? error.message : error}.`]
    })
    await tx.query('release examined')
    checks.push({ name, ok: problems.length === 0, detail: problems.length ? shortened(problems) : good() })
  }
  await check(
    'schema',
    () => `All ${catalog.size} parts of the schema are as the migrations make them.`,
    async () => catalogProblems(catalog, await readCatalog(tx)),
  )
  await check(
    'contents',
    () =>
      `${Object.values(manifest.tables).reduce((sum, { rows }) => sum + rows, 0)} rows of ${manifest.tenants} tenants are those of the archive${manifest.words ? ', and the words counted again are those that were there' : ''}.`,
    () => examineContents(tx, manifest, onRows),
  )
  await check(
    'indexes',
    () => 'What requests look up is found by indexes.',
    async () => {
      await actFor(tx, 1)
      return indexProblems(tx, 1)
    },
  )
  await check(
    'recall',
    () => (recalled.questions ? `All ${recalled.questions} questions are answered as they were, to the letter.` : 'There was nothing to ask that has to be answered the same.'),
    async () => {
      recalled = await askAgain(tx, probes)
      const { questions, same, overlap } = recalled
      if (questions !== manifest.probes) return [`${questions} questions were asked, the manifest says ${manifest.probes}.`]
      return same < questions ? [`${questions - same} of ${questions} questions have other answers than before; ${Math.round(overlap * 100)} % of all answers came again.`] : []
    },
  )
  return { checks, recalled }
}

async function askAgain(tx: Sql, probes: Expected['probes']): Promise<Recalled> {
  const times: number[] = []
  // as requests go
  await tx.query(`select set_config('max_parallel_workers_per_gather', '0', true)`)
  let [questions, same, overlap] = [0, 0, 0]
  for (const [tenant, asked] of probes) {
    await actFor(tx, tenant)
    for (const probe of asked) {
      const started = performance.now()
      const result = compare(probe, await askQuestion(tx, tenant, probe))
      times.push(performance.now() - started)
      questions += 1
      overlap += result.overlap
      if (result.same) same += 1
    }
  }
  return { questions, same, overlap: questions ? overlap / questions : 1, ...percentiles(times) }
}

export function percentiles(times: number[]): { p50_ms: number | null; p95_ms: number | null } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => (sorted.length ? Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number) * 100) / 100 : null)
  return { p50_ms: at(0.5), p95_ms: at(0.95) }
}

async function actFor(tx: Sql, tenant: number): Promise<void> {
  await tx.query(`select set_config('soma.tenant', $1::text, true)`, [String(tenant)])
}

function shortened(problems: string[]): string {
  const more = problems.length - told
  return [...problems.slice(0, told), ...(more > 0 ? [`And ${more} more.`] : [])].join(' ')
}
