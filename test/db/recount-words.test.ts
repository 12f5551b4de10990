import { beforeAll, expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { englishTerms, termsOf } from '../../shared/text/index.ts'
import { recountWords } from '../../shared/words/index.ts'
import { backedUp, withTarget } from '../support/archives.ts'
import { place, resealed } from '../support/damage.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const german = 'Anna hat gestern die roten Kisten im Hafen verkauft.'
const signal = () => new AbortController().signal

/** Makes all words of a tenant those of the first revision: cut as English, whatever the text. */
async function makeOld(product: Product, { tenantId }: Caller): Promise<void> {
  for (const [table, words, version] of [
    ['memories', 'postings', ''],
    ['memory_versions', 'closed_postings', ' and p.version = $2::integer'],
  ] as const) {
    const rows = await adminSql<{ memory_key: string; version: number; text: string; tags: string[] }>(product, `select * from ${table} where tenant_id = $1::integer`, [tenantId])
    for (const { memory_key: key, version: number, text, tags } of rows) {
      const terms = englishTerms(text)
      const counts = [...new Set(terms)].map((term) => ({ term, tf: terms.filter((one) => one === term).length }))
      const all = [...counts, ...tags.map((tag) => ({ term: `#${tag}`, tf: 1 }))]
      await adminSql(
        product,
        `with gone as (delete from ${words} p where p.tenant_id = ${tenantId} and p.memory_key = $1::bigint${version || ' and $2::integer is not null'} returning p.*)
         insert into ${words} select (jsonb_populate_record(null::${words}, to_jsonb(g) || jsonb_build_object('term', t.term, 'tf', t.tf, 'len', $4::integer))).*
         from (select distinct on (memory_key) * from gone) g cross join jsonb_to_recordset($3::jsonb) t (term text, tf integer)`,
        [key, number, JSON.stringify(all), terms.length],
      )
      await adminSql(
        product,
        `update ${table} p set tokenizer = 1, term_count = $3::integer where p.tenant_id = ${tenantId} and p.memory_key = $1::bigint and p.version = $2::integer`,
        [key, number, terms.length],
      )
    }
  }
}
const forget = (product: Product) => adminSql(product, 'delete from words_recounted')
const wordsIn = async (product: Product, { tenantId }: Caller, table = 'postings') =>
  (await adminSql<{ term: string }>(product, `select term from ${table} where tenant_id = ${tenantId} order by term`)).map(({ term }) => term)
const stale = async (product: Product) => {
  const [row] = await adminSql<{ n: number }>(
    product,
    'select ((select count(*) from memories where tokenizer < 2) + (select count(*) from memory_versions where tokenizer < 2))::integer as n',
  )
  return row?.n
}

describeEngines('counting words again', (product) => {
  beforeAll(() => loseWakeUps(product()))
  const ask = async (ada: Caller, query: string, more: object = {}) => {
    const { body } = await product().call(ada, 'POST', '/v1/recall', { query, mode: 'lexical', ...more })
    return body.results.map(({ text }: { text: string }) => text) as string[]
  }
  const recount = () => product().local.runJob('recount-words')

  test('what an older revision has cut is found by the words it had, and after the job by the words it has; so are closed versions', async () => {
    const ada = await product().tenant()
    const { body: memory } = await product().call(ada, 'POST', '/v1/memories', { text: german, tags: ['trade'], user_id: 'u' })
    await product().call(ada, 'PATCH', `/v1/memories/${memory.id}`, { text: `${german} Sie waren schwer.` })
    await product().call(ada, 'POST', '/v1/memories', { text: 'the boxes are at the harbour', user_id: 'u' })
    const { body: gone } = await product().call(ada, 'POST', '/v1/memories', { text: 'a forgotten text' })
    await product().call(ada, 'DELETE', `/v1/memories/${gone.id}`)
    await product().settle()
    const at = new Date(Date.parse(memory.created_at) + 1).toISOString()
    const fresh = { open: await wordsIn(product(), ada), closed: await wordsIn(product(), ada, 'closed_postings') }
    await makeOld(product(), ada)
    await forget(product())
    expect(await ask(ada, 'Kisten verkauft')).toHaveLength(1)
    expect(await ask(ada, 'rot', { as_of: at })).toEqual([])

    expect(await recount()).toMatchObject({ done: 5 })
    expect(await stale(product())).toBe(0)
    expect({ open: await wordsIn(product(), ada), closed: await wordsIn(product(), ada, 'closed_postings') }).toEqual(fresh)
    expect(await ask(ada, 'rote Kiste')).toEqual([`${german} Sie waren schwer.`])
    expect(await ask(ada, 'rot', { as_of: at })).toEqual([german])
    expect(await ask(ada, 'box')).toEqual(['the boxes are at the harbour'])
    expect(await recount()).toMatchObject({ done: 0, remaining: false })
  })

  test('counters of terms follow, and nobody seems to have been active since', async () => {
    const ada = await product().tenant()
    await product().call(ada, 'POST', '/v1/memories', { text: german, user_id: 'u', session_id: 's' })
    await product().settle()
    const counters = () => adminSql(product(), `select scope_key, memories, bytes, terms, last_at from scope_stats where tenant_id = ${ada.tenantId} order by scope_key`)
    const before = await counters()
    // as if the first revision had stored it: the same change, the other way round
    const more = englishTerms(german).length - termsOf({ text: german, tags: [] }).length
    expect(more).not.toBe(0)
    await makeOld(product(), ada)
    await adminSql(product(), `update scope_stats set terms = terms + ${more} where tenant_id = ${ada.tenantId}`)
    await forget(product())
    await recount()
    await product().settle()
    expect(await counters()).toEqual(before)
  })

  test('a run that is ended goes on where it was, and one that fails begins anew', async () => {
    const ada = await product().tenant()
    const items = Array.from({ length: 450 }, (_, i) => ({ text: `Die Kisten Nummer ${i} stehen im Hafen.` }))
    await product().call(ada, 'POST', '/v1/memories/bulk', { items })
    const fresh = await wordsIn(product(), ada)
    await adminSql(product(), `update memories set tokenizer = 1 where tenant_id = ${ada.tenantId}`)
    await adminSql(product(), `update postings set term = term || 'x' where tenant_id = ${ada.tenantId}`)
    await forget(product())
    const { worker } = product().local.db
    const during = (work: () => Promise<void> | void): Database => ({
      ...worker,
      transaction: async (access, run) => {
        const result = await worker.transaction(access, run)
        if (!access.readOnly && access.tenantId === ada.tenantId) await work()
        return result
      },
    })
    const ending = new AbortController()
    expect(
      await recountWords(
        during(() => ending.abort()),
        ending.signal,
      ),
    ).toEqual({ done: 200, remaining: true })
    expect(await stale(product())).toBe(250)
    let writes = 0
    const failing = during(() => {
      writes++
      if (writes === 1) throw new Error('the disk is full')
    })
    await expect(recountWords(failing, signal())).rejects.toThrow('the disk is full')
    expect(await stale(product())).toBe(50)
    expect(await recountWords(worker, signal())).toMatchObject({ done: 50 })
    expect([await stale(product()), await wordsIn(product(), ada)]).toEqual([0, fresh])
  })

  test('what is changed between reading and writing keeps the words of its change', async () => {
    const ada = await product().tenant()
    const { body: memory } = await product().call(ada, 'POST', '/v1/memories', { text: german })
    await makeOld(product(), ada)
    await forget(product())
    const { worker } = product().local.db
    let changed = false
    const racing: Database = {
      ...worker,
      transaction: async (access, run) => {
        if (!changed && !access.readOnly && access.tenantId === ada.tenantId) {
          changed = true
          await product().call(ada, 'PATCH', `/v1/memories/${memory.id}`, { text: 'the green crates' })
        }
        return worker.transaction(access, run)
      },
    }
    await recountWords(racing, signal())
    expect([changed, await wordsIn(product(), ada), await stale(product())]).toEqual([true, ['crate', 'green'], 0])
    expect(await wordsIn(product(), ada, 'closed_postings')).toContain('kist')
  })

  test('once a round of a settled installation finds nothing, no row is looked at any more', async () => {
    await forget(product())
    expect(await recount()).toMatchObject({ done: 0, remaining: false })
    await adminSql(product(), `update words_recounted set begun_at = now() - interval '2 hours'`)
    await recount()
    const [row] = await adminSql<{ done: boolean }>(product(), 'select done_at is not null as done from words_recounted')
    expect(row?.done).toBe(true)
    const ada = await product().tenant()
    await product().call(ada, 'POST', '/v1/memories', { text: german })
    await makeOld(product(), ada)
    expect(await recount()).toMatchObject({ done: 0 })
    await forget(product())
    await recount()
  })

  test('an archive of the revision before is restored with words of this one, and its rows are counted again', async () => {
    const ada = await product().tenant()
    await product().call(ada, 'POST', '/v1/memories', { text: german })
    await product().settle()
    const fresh = await wordsIn(product(), ada)
    await makeOld(product(), ada)
    const { files } = await backedUp(product())
    const older = resealed(files, undefined, (manifest) => {
      manifest.tokenizer = 1
    })
    await withTarget(product().engine, async (target) => {
      await target.local.runJob('recount-words')
      await adminSql(target, `update words_recounted set done_at = now()`)
      await restore(target.local.db.owner, place(older))
      expect(await wordsIn(target, ada)).toEqual(fresh)
      expect(await stale(target)).toBe(1)
      expect(await target.local.runJob('recount-words')).toMatchObject({ done: 1 })
      expect([await stale(target), await wordsIn(target, ada)]).toEqual([0, fresh])
    })
  })
})
