import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import type { Embedders } from '../../shared/embed/index.ts'
import { introduceModel, reembed, switchModel, verifyTenant } from '../../shared/model/index.ts'
import { modelsInUse } from '../../shared/vector/index.ts'
import { backedUp, restorable, withTarget } from '../support/archives.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { exportText, importOf, ndjson, parse } from '../support/transfer.ts'
import { asked, checkTurns, startTurnServer, stopTurnServer, turn, turnModel, turnServer } from '../support/turns.ts'
import { adminSql, loseWakeUps } from './admin.ts'

afterAll(stopTurnServer)

const words = ['tea', 'with milk', 'a kettle', 'the stove', 'a cup', 'some cake']
const right = (vectors: number) => ({ vectors, waiting: [], wrong: [] })
const signal = new AbortController().signal

describeEngines(
  'vectors of turns with the one before',
  (product) => {
    let ada: Caller
    const ids: string[] = []
    beforeAll(() => loseWakeUps(product()))
    beforeEach(async () => {
      ada = await product().tenant()
      const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items: words.map((text, n) => turn(n, text)) })
      ids.splice(0, ids.length, ...body.results.map((one: { id: string }) => one.id))
      await product().settle()
      asked()
    })
    const says = (caller: Caller, id: string | undefined, patch: object) => product().call(caller, 'PATCH', `/v1/memories/${id}`, patch)
    const withVectors = 'versions=true&vectors=true'

    describe('go from one tenant to another', () => {
      test('and are good there without being made again; what they hold is known there too', async () => {
        await says(ada, ids[1], { text: 'with lemon' })
        await product().settle()
        asked()
        const text = await exportText(product(), ada, withVectors)
        const lines = parse(text)
        expect(lines.filter((line) => line.embedding_model === turnModel)).toHaveLength(7)
        expect(lines.find((line) => line.text === 'a kettle')?.embedding_context).toEqual({ id: ids[1], version: 2 })
        expect(lines.find((line) => line.text === 'tea')).not.toHaveProperty('embedding_context')
        const eve = await product().tenant()
        expect((await importOf(product(), eve, text)).body).toMatchObject({ imported: 6, versions: 1, failed: 0 })
        expect(await exportText(product(), eve, withVectors)).toBe(text)
        await product().settle()
        expect(asked()).toEqual([])
        expect(await checkTurns(product(), eve)).toEqual(right(6))
        await product().call(eve, 'DELETE', `/v1/memories/${ids[1]}`)
        await product().settle()
        expect(asked()).toEqual(['Ada: tea\nAda: a kettle'])
        expect(await checkTurns(product(), eve)).toEqual(right(5))
      })

      test('but one whose turn did not come, or came as another version, is made anew', async () => {
        const lines = parse(await exportText(product(), ada, withVectors))
        const eve = await product().tenant()
        const changed = lines
          .filter((line) => line.text !== 'with milk')
          .map((line) =>
            line.text === 'the stove'
              ? { ...line, version: 7, text: 'the old stove', embedding: undefined, embedding_model: undefined, embedding_dim: undefined, embedding_context: undefined }
              : line,
          )
        expect((await importOf(product(), eve, ndjson(changed))).body).toMatchObject({ imported: 5, failed: 0 })
        await product().settle()
        expect(asked().sort()).toEqual(['Ada: a kettle\nBen: the old stove', 'Ada: tea\nAda: a kettle', 'Ben: the old stove\nAda: a cup'])
        expect(await checkTurns(product(), eve)).toEqual(right(5))
      })

      test('and one that came without its turn gets it, when that is there', async () => {
        const lines = parse(await exportText(product(), ada, 'vectors=true')).map(({ embedding_context: _, ...line }) => line)
        const eve = await product().tenant()
        await importOf(product(), eve, ndjson(lines))
        await product().settle()
        expect(asked()).toHaveLength(5)
        expect(await checkTurns(product(), eve)).toEqual(right(6))
      })
    })

    test('come back from an archive with what they hold', async () => {
      const before = await restorable(product())
      const { place } = await backedUp(product())
      await withTarget(product().engine, async (target) => {
        await restore(target.local.db.owner, place, {})
        expect(await restorable(target)).toEqual(before)
        expect(await checkTurns(target, ada)).toEqual(right(6))
      })
    }, 90_000)

    test('are checked by verify-index, and made anew where they are of another turn', async () => {
      const { embedder } = createEmbedders('previous-turn')
      const [model] = await modelsInUse(product().local.db.worker, embedder)
      const check = (repair: boolean) => verifyTenant({ worker: product().local.db.worker, embedder, repair, onRefused: () => {} }, ada.tenantId, model, signal)
      expect(await check(false)).toMatchObject({ memories: 6, vectors: 6, missing: 0, stale: 0 })
      // past the trigger, as by hand
      await adminSql(
        product(),
        'update vectors set context_version = 9 where tenant_id = $1::integer and memory_key = (select max(memory_key) from vectors where tenant_id = $1::integer)',
        [ada.tenantId],
      )
      await adminSql(
        product(),
        'update vectors set context_key = null where tenant_id = $1::integer and memory_key = (select max(memory_key) - 2 from vectors where tenant_id = $1::integer)',
        [ada.tenantId],
      )
      expect(await check(false)).toMatchObject({ stale: 2, repaired: 0 })
      expect(await check(true)).toMatchObject({ stale: 2, repaired: 2 })
      expect(asked().sort()).toEqual(['Ada: a cup\nBen: some cake', 'Ada: a kettle\nBen: the stove'])
      expect(await check(false)).toMatchObject({ missing: 0, stale: 0 })
      expect(await checkTurns(product(), ada)).toEqual(right(6))
    })

    function createEmbedders(first: 'none' | 'previous-turn'): Required<Embedders> {
      const of = (context: 'none' | 'previous-turn') => turnServer().embedder('a-model', context)
      return { embedder: of(first), next: of(first === 'none' ? 'previous-turn' : 'none') } as Required<Embedders>
    }

    test('are another model than vectors of turns alone: both are made while one takes over from the other, and none is compared with one of the other kind', async () => {
      const worker = product().local.db.worker
      const embedders = createEmbedders('previous-turn')
      const operator = { actor: 'test', requestId: 'test' }
      await says(ada, ids[4], { text: 'a mug' })
      await product().settle()
      await introduceModel(worker, embedders, operator)
      await reembed({ worker, ...embedders, perSecond: 100_000, onRefused: () => {} }, signal)
      expect(await checkTurns(product(), ada, 'a-model')).toEqual(right(6))
      expect(await checkTurns(product(), ada)).toEqual(right(6))
      // closed versions too, as they were then
      const closed = await adminSql<{ model: string; text: string; context: string | null }>(
        product(),
        `select e.name as model, h.text, c.text as context from closed_vectors v join embedding_models e on e.model_key = v.model_key
         join memory_versions h on h.tenant_id = v.tenant_id and h.memory_key = v.memory_key and h.version = v.version
         left join memories c on c.tenant_id = v.tenant_id and c.memory_key = v.context_key where v.tenant_id = $1::integer order by 1`,
        [ada.tenantId],
      )
      expect(closed).toEqual([
        { model: 'a-model', text: 'a cup', context: null },
        { model: turnModel, text: 'a cup', context: 'the stove' },
      ])
      await switchModel(worker, 'a-model', operator, { force: false, signal })
      asked()
      await says(ada, ids[1], { text: 'with lemon' })
      await product().settle()
      // this process has one embedder, which serves both kinds of texts; the kind beside is the job's to make up for
      await reembed({ worker, ...embedders, perSecond: 100_000, onRefused: () => {} }, signal)
      expect(await checkTurns(product(), ada, 'a-model')).toEqual(right(6))
      expect(await checkTurns(product(), ada)).toEqual(right(6))
      expect((await product().call(ada, 'POST', '/v1/recall', { query: 'lemon', mode: 'vector' })).body).toMatchObject({ degraded: false })
      await switchModel(worker, turnModel, operator, { force: false, signal })
      await product().call(ada, 'DELETE', `/v1/memories/${ids[1]}`)
      await product().settle()
      await reembed({ worker, ...embedders, perSecond: 100_000, onRefused: () => {} }, signal)
      expect(await checkTurns(product(), ada, 'a-model')).toEqual(right(5))
      expect(await checkTurns(product(), ada)).toEqual(right(5))
      await adminSql(product(), 'delete from embedding_roles')
    }, 60_000)
  },
  undefined,
  startTurnServer,
)
