import { beforeAll, expect, test } from 'vitest'
import type { Access, Database, Sql } from '../../shared/db/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { adminSql, loseWakeUps, rowCounts } from '../db/admin.ts'
import type { Caller, Product } from '../support/engines.ts'
import { exportText, importOf, type Line, link, memory, ndjson, version } from '../support/transfer.ts'
import { describeStores, leaseOver, operationOf, runOperations, storeOf, uploaded } from '../support/transfers.ts'
import { expectProblem } from './checks.ts'

/** Lines of every kind, good and bad, with empty ones in between. */
const groups: Line[][] = Array.from({ length: 30 }, (_, n) => [version(n + 1, 1), version(n + 1, 2), memory(n + 1, { version: 3, text: `memory ${n + 1}` })])
const bad = ['not json', '{"id":"x","text":"no uuid"}', '', JSON.stringify(version(99, 1)), JSON.stringify(link(80, 1, 77)), '   ']
const lines = [
  ...groups.slice(0, 15).map(ndjson),
  ...bad.map((text) => `${text}\n`),
  ...groups.slice(15).map(ndjson),
  ndjson([link(50, 1, 2), link(51, 2, 3), memory(1, { version: 3, text: 'another' })]),
]
const text = lines.join('')
/** The same, cut behind a line into two parts; the first one ends between a version and its memory, and without a newline. */
const cutAt = text.indexOf('\n', text.indexOf(`"id":"${memory(20).id}"`)) + 1
const parts = [text.slice(0, cutAt - 1), text.slice(cutAt)]

/** The limits of small steps. */
const limits = { stepLines: 7 }
const stored = (product: Product, caller: Caller) => rowCounts(product, caller, ['memories', 'memory_versions', 'links', 'outbox', 'vector_pending'])

/** A database that fails at the n-th transaction which records a step: before its commit, or behind it, when only the answer is lost. */
function failing(db: Database, at: number, where: 'before' | 'behind'): Database {
  let recorded = 0
  const lost = () => new AppError('unavailable', 'The database cannot be reached.')
  return {
    ...db,
    async transaction<T>(access: Access, work: (tx: Sql) => Promise<T>) {
      const counts = access.timeoutMs !== undefined && ++recorded === at
      if (!counts) return db.transaction(access, work)
      const done = await db.transaction(access, async (tx) => {
        const worked = await work(tx)
        if (where === 'before') throw lost()
        return worked
      })
      if (where === 'behind') throw lost()
      return done
    },
  }
}

describeStores('imports that go on after their answers', (product) => {
  beforeAll(() => loseWakeUps(product()))

  test('they do and say what POST /v1/import does and says, in whatever steps: counts, line numbers over all parts, and the content', async () => {
    const streamed = await product().tenant()
    const { body: report } = await importOf(product(), streamed, text)
    expect(report).toMatchObject({ imported: 30, versions: 60, links: 2, failed: 5 })
    const content = await exportText(product(), streamed)
    for (const stepLines of [1, 7, 1_000]) {
      const ada = await product().tenant()
      const id = await uploaded(product(), ada, parts)
      await runOperations(product(), { limits: { stepLines } })
      const operation = await operationOf(product(), ada, id)
      expect(operation).toMatchObject({ kind: 'import', state: 'succeeded', progress: 1, problem: null })
      expect(operation.result).toEqual(report)
      expect(await exportText(product(), ada)).toBe(content)
      expect(await stored(product(), ada)).toEqual(await stored(product(), streamed))
    }
  })

  test('the same file again stores nothing new', async () => {
    const ada = await product().tenant()
    for (const duplicate of [0, 92]) {
      const id = await uploaded(product(), ada, parts)
      await runOperations(product(), { limits })
      expect((await operationOf(product(), ada, id)).result).toMatchObject({ duplicate, lines: 97 })
    }
  })

  test.each([
    [1, 'before'],
    [1, 'behind'],
    [4, 'before'],
    [4, 'behind'],
    [9, 'before'],
    [9, 'behind'],
  ] as const)('when the connection breaks at step %i, %s its commit, each line is stored once and counted once', async (at, where) => {
    const [ada, twin] = [await product().tenant(), await product().tenant()]
    const { body: report } = await importOf(product(), twin, text)
    const id = await uploaded(product(), ada, parts)
    await expect(runOperations(product(), { limits, worker: failing(product().local.db.worker, at, where) })).rejects.toThrow('cannot be reached')
    const between = await operationOf(product(), ada, id)
    expect(between.state).toBe('running')
    // what is counted so far is what is there
    const counts = await stored(product(), ada)
    expect([counts.memories, counts.memory_versions]).toEqual([between.result?.imported ?? 0, between.result?.versions ?? 0])
    await leaseOver(product(), ada)
    await runOperations(product(), { limits })
    expect((await operationOf(product(), ada, id)).result).toEqual(report)
    expect(await stored(product(), ada)).toEqual(await stored(product(), twin))
    expect(await exportText(product(), ada)).toBe(await exportText(product(), twin))
  })

  test.each([1, 3])('a run that stops in step %i before it stores, and goes on when another has taken over, adds nothing', async (at) => {
    const ada = await product().tenant()
    const id = await uploaded(product(), ada, parts)
    const reached = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    let steps = 0
    const slow = runOperations(product(), {
      limits,
      async beforeStoring() {
        if (++steps !== at) return
        reached.resolve()
        await go.promise
      },
    })
    await reached.promise
    await leaseOver(product(), ada)
    await runOperations(product(), { limits })
    const ended = await operationOf(product(), ada, id)
    const counts = await stored(product(), ada)
    go.resolve()
    await slow
    expect(ended).toMatchObject({ state: 'succeeded', result: { imported: 30, versions: 60, links: 2 } })
    expect(await operationOf(product(), ada, id)).toEqual(ended)
    expect(await stored(product(), ada)).toEqual(counts)
  })

  test('a line that the database refuses costs no other of its step', async () => {
    await adminSql(product(), `create function refuse_one() returns trigger language plpgsql as $$ begin raise exception using errcode = '22003', message = 'refused'; end $$`)
    await adminSql(product(), `create trigger refuse_one before insert on memories for each row when (new.text = 'refused') execute function refuse_one()`)
    try {
      const file = ndjson(Array.from({ length: 20 }, (_, n) => memory(n + 1, n === 12 ? { text: 'refused' } : {})))
      const [ada, twin] = [await product().tenant(), await product().tenant()]
      const { body: report } = await importOf(product(), twin, file)
      expect(report).toMatchObject({ imported: 19, failed: 1, errors: [{ line: 13, code: 'invalid' }] })
      const id = await uploaded(product(), ada, [file])
      await runOperations(product())
      expect((await operationOf(product(), ada, id)).result).toEqual(report)
      expect(await stored(product(), ada)).toEqual(await stored(product(), twin))
    } finally {
      await adminSql(product(), 'drop function refuse_one cascade')
    }
  })

  test('it starts when all parts are there as announced, and not before; started again it goes on, and nothing is added to it', async () => {
    const ada = await product().tenant()
    const call = (method: string, path: string, body?: unknown) =>
      product().call(ada, method, path, body, { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' })
    const [one, two] = [ndjson([memory(1)]), ndjson([memory(2)])]
    const { body: announced } = await call('POST', '/v1/imports', { parts: [{ bytes: one.length }, { bytes: two.length }] })
    expect(announced).toMatchObject({ kind: 'import', state: 'waiting', result: null, parts: [{ part: 1, bytes: one.length, method: 'PUT' }, { part: 2 }] })
    const { id } = announced
    const put = (part: number, body: string) => call('PUT', `/v1/imports/${id}/parts/${part}`, body)
    expectProblem(await put(1, `${one}\n`), 'too_large')
    expectProblem(await put(1, one.slice(1)), 'invalid')
    for (const part of ['3', '0', '01', 'x']) expectProblem(await call('PUT', `/v1/imports/${id}/parts/${part}`, one), 'not_found')
    expect((await put(1, one.replace('memory 1', 'memory x'))).status).toBe(204)
    expect((await put(1, one)).status).toBe(204)
    const early = await call('POST', `/v1/imports/${id}/start`)
    expectProblem(early, 'conflict', '/parts/1')
    expect(early.body.errors).toHaveLength(1)
    await put(2, two)
    await runOperations(product())
    expect((await operationOf(product(), ada, id)).state).toBe('waiting')
    for (let n = 0; n < 2; n++) expect(await call('POST', `/v1/imports/${id}/start`)).toMatchObject({ status: 202, body: { id, state: 'pending' } })
    expectProblem(await put(1, one), 'conflict')
    await runOperations(product())
    expect(await call('POST', `/v1/imports/${id}/start`)).toMatchObject({ status: 202, body: { state: 'succeeded', result: { imported: 2 } } })
    expect((await product().call(ada, 'GET', `/v1/memories/${memory(1).id}`)).body.text).toBe('memory 1')
    // what was uploaded goes when no URL leads there any more
    await adminSql(product(), `update operations set objects_until = objects_until - interval '21 minutes' where tenant_id = $1::integer`, [ada.tenantId])
    await product().local.runJob('sweep')
    expect(await (await storeOf(product())).list(`transfers/${ada.tenantId}`)).toEqual([])
  })

  test('one that is never started ends as failed when its time is over, and what was sent is removed', async () => {
    const ada = await product().tenant()
    const { body } = await product().call(ada, 'POST', '/v1/imports', { parts: [{ bytes: 3 }] })
    await product().call(ada, 'PUT', `/v1/imports/${body.id}/parts/1`, '{}\n', { 'content-type': 'application/x-ndjson' })
    await adminSql(product(), `update operations set objects_until = now() - interval '1 second' where tenant_id = $1::integer`, [ada.tenantId])
    await product().local.runJob('sweep')
    expect(await operationOf(product(), ada, body.id)).toMatchObject({ state: 'failed', problem: { code: 'gone' }, parts_until: null })
    expect(await (await storeOf(product())).list(`transfers/${ada.tenantId}`)).toEqual([])
    expect((await product().call(ada, 'POST', `/v1/imports/${body.id}/start`)).body.state).toBe('failed')
  })

  test('what is no NDJSON at all fails, and so do more versions of one memory than a step may hold; a quota ends it at its limit', async () => {
    const ada = await product().tenant()
    const failed = async (caller: Caller, file: string, more = {}) => {
      const id = await uploaded(product(), caller, [file])
      await runOperations(product(), { limits: { ...limits, ...more } })
      const { state, problem } = await operationOf(product(), caller, id)
      expect(state).toBe('failed')
      return problem
    }
    expect(await failed(ada, 'a\nb\nc\n')).toMatchObject({ code: 'invalid', detail: expect.stringContaining('Line 1: ') })
    expect(await failed(ada, '\u001f\u008b'.padEnd(20, 'x'), {})).toMatchObject({ code: 'invalid' })
    const many = ndjson([...Array.from({ length: 12 }, (_, n) => version(1, n + 1)), memory(1, { version: 13 })])
    expect(await failed(ada, many, { runBytes: many.length / 2 })).toMatchObject({ code: 'too_large', detail: expect.stringMatching(/^Up to line \d+ /) })
    expect(await stored(product(), ada)).toMatchObject({ memories: 0, memory_versions: 0 })
    const eve = await product().tenant()
    await adminSql(product(), `update tenants set limits = '{"memories":10}' where tenant_id = $1::integer`, [eve.tenantId])
    expect(await failed(eve, ndjson(Array.from({ length: 30 }, (_, n) => memory(n + 1))), { stepLines: 4 })).toMatchObject({ code: 'budget_exhausted' })
    expect((await stored(product(), eve)).memories).toBe(8)
  })
})
