import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Database, Sql } from '../../shared/db/index.ts'
import { buildAnn } from '../../shared/vector/index.ts'
import { asAdmin, type Caller, describeEngines } from '../support/engines.ts'
import { modelsOf, newModel, oldModel, startNewModel, stopNewModel } from '../support/models.ts'
import { exportOf, hashOf } from '../support/transfer.ts'
import { adminSql, loseWakeUps } from './admin.ts'

afterAll(stopNewModel)

describeEngines(
  'a new embedding model',
  (product) => {
    const models = modelsOf(product)
    let ada: Caller
    let eve: Caller
    let hash: string
    const ids: string[] = []
    const text = (i: number, more = '') => `note ${i} on tea and kettles, of kind ${i % 7}${more}`
    const kept = async (text: string) => {
      const stored = await product().call(ada, 'POST', '/v1/memories', { text })
      expect(stored.status).toBe(201)
      ids.push(stored.body.id)
    }
    /** Stores, changes and forgets, several at once, with the consumers between. */
    async function changeAll(from: number, until: () => boolean) {
      for (let i = from; !until(); i += 4) {
        const target = ids[(i * 7) % ids.length]
        await Promise.all([
          kept(text(i)),
          kept(text(i + 1)),
          product().call(ada, 'PATCH', `/v1/memories/${target}`, { text: text(i, ' changed') }),
          product().call(ada, 'DELETE', `/v1/memories/${ids.splice((i * 3) % ids.length, 1)[0]}`),
        ])
        await product().settle()
      }
    }
    const instants: string[] = []
    const now = async () => {
      const [row] = await adminSql<{ now: string }>(product(), `select to_json(clock_timestamp()) #>> '{}' as now`)
      return row?.now ?? ''
    }
    const present = async () => Number((await adminSql<{ n: string }>(product(), 'select count(*) as n from memories where tenant_id = $1::integer', [ada.tenantId]))[0]?.n)

    beforeAll(async () => {
      await loseWakeUps(product())
      ada = await product().tenant()
      eve = await product().tenant()
      await product().call(eve, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 70 }, (_, i) => ({ text: text(i, ' of Eve') })) })
      for (let i = 0; i < 90; i++) await kept(text(i))
      await product().settle()
      let rounds = 0
      await changeAll(100, () => rounds++ >= 5)
      instants.push(await now())
      hash = hashOf(await exportOf(product(), eve))
    }, 120_000)

    test('is nothing before it is introduced: one model, and no server is asked', async () => {
      models.server().asked = []
      expect(await models.run()).toEqual({ done: 0, remaining: false })
      await product().settle()
      expect((await product().call(ada, 'POST', '/v1/recall', { query: 'tea' })).status).toBe(200)
      expect(models.server().asked).toEqual([])
      expect(await models.answeredBy(ada, 'tea kettles')).toBe(oldModel)
      await expect(models.switchTo(newModel)).rejects.toThrow('There is one model only')
    })

    test('is not searched while it is introduced; the job makes what is there and index-vectors what comes, under stores, changes and forgets', async () => {
      expect(await models.introduce()).toMatchObject({ searched: { name: oldModel, dimension: 384 }, kept: { name: newModel, dimension: 48 } })
      expect(await models.introduce()).toMatchObject({ kept: { name: newModel } })
      await expect(models.switchTo(newModel)).rejects.toThrow(/is not ready to be searched: \d+ memories have no vector of it, \d+ closed versions have none/)
      expect(await models.answeredBy(ada, 'tea kettles')).toBe(oldModel)
      let done = false
      const job = models.run({ perSecond: 150 }).finally(() => {
        done = true
      })
      const asking = (async () => {
        // all of it in one snapshot: with a tail, a text may be a newer one than its cosine
        while (!done) expect(await models.answeredBy(ada, 'note on kettles', { consistency: 'eventual' })).toBe(oldModel)
      })()
      await Promise.all([job, asking, changeAll(1_000, () => done)])
      await product().settle()
      await models.run()
      const counts = await models.checkVectors(ada)
      expect([counts[oldModel]?.wrong, counts[newModel]?.wrong]).toEqual([[], []])
      expect([counts[oldModel]?.present, counts[newModel]?.present]).toEqual([await present(), await present()])
      // versions that were replaced before they were indexed have the new vector only
      expect(counts[newModel]?.closed).toBeGreaterThanOrEqual(counts[oldModel]?.closed as number)
      expect((await models.checkVectors(eve))[newModel]?.present).toBe(70)
      expect(await models.run()).toEqual({ done: 0, remaining: false })
    }, 120_000)

    test('shows its coverage on /metrics', async () => {
      const { text } = await product().call(null, 'GET', '/metrics')
      expect(text).toContain(`embedding_model_coverage{model="${newModel}",use="kept"} 1`)
      expect(text).toContain(`embedding_model_coverage{model="${oldModel}",use="searched"}`)
    })

    test('is searched from the switch on, in every process that is running, and no answer is of both; and back again', async () => {
      let done = false
      const seen = new Set<string>()
      const asking = Array.from({ length: 2 }, async (_, i) => {
        while (!done) seen.add(await models.answeredBy(ada, `kettles of kind ${i}`))
      })
      for (const name of [newModel, oldModel, newModel]) {
        await kept(text(2_000 + ids.length))
        await product().settle()
        expect((await models.switchTo(name)).queued).toBe(0)
        expect(await models.answeredBy(ada, 'tea kettles')).toBe(name)
        expect(await models.answeredBy(eve, 'tea kettles of Eve')).toBe(name)
      }
      done = true
      await Promise.all(asking)
      expect(seen.has(newModel)).toBe(true)
      const audit = await adminSql<{ action: string }>(product(), `select action from audit_log where tenant_id = 0 and action like 'model.%' order by seq`)
      expect(audit.map(({ action }) => action)).toEqual(['model.introduce', ...Array(3).fill('model.switch')])
    }, 60_000)

    test('answers what is not indexed yet too, and looks back by its own vectors to before it came', async () => {
      await kept('the newest kettle of all, with tea')
      expect(await models.answeredBy(ada, 'newest kettle')).toBe(newModel)
      await product().settle()
      for (const as_of of instants) expect(await models.answeredBy(ada, 'tea kettles', { as_of })).toBe(newModel)
      await models.run()
      // everything that ever was has a vector, also what was changed or forgotten since
      const [row] = await adminSql<{ n: number }>(
        product(),
        `select count(*)::integer as n from (select memory_key, version from memory_versions v where v.tenant_id = $1::integer and v.state = 'closed' and v.closed_at > v.recorded_at
           except select memory_key, version from closed_vectors c join embedding_models e on e.model_key = c.model_key where c.tenant_id = $1::integer and e.name = $2::text) t`,
        [ada.tenantId, newModel],
      )
      expect(row?.n).toBe(0)
    })

    test('of a large scope gets its graph before the switch, which is refused without it', async ({ skip }) => {
      const db = product().local.db
      skip(db.owner.engine === 'pglite', 'the embedded engine has no graphs')
      await adminSql(product(), 'update scope_stats set memories = 200000 where tenant_id = $1::integer', [eve.tenantId])
      const indexes = async () =>
        (await adminSql<{ name: string }>(product(), `select relname as name from pg_class where relname like 'vectors_ann_%' order by 1`)).map(({ name }) => name)
      await expect(models.switchTo(oldModel)).rejects.toThrow('1 large scopes have no HNSW index of it')
      expect(await buildAnn(db, 20_000, new AbortController().signal)).toEqual({ done: 2, remaining: false })
      const [first, ...others] = await indexes()
      expect(others).toHaveLength(1)
      // a container's small /dev/shm has no room for a parallel build: one process builds it
      await adminSql(product(), `drop index ${first}`)
      const settings = (sql: Sql) => sql.query<{ workers: string }>(`select current_setting('max_parallel_maintenance_workers') as workers`).then(([row]) => row?.workers)
      const before = await db.owner.maintenance(settings)
      // another process is at it
      const building = `hashtextextended('soma ' || current_schema() || ' ${first?.split('_').slice(0, -2).join('_')}', 0)`
      await asAdmin(product().adminUrl as string, async (other) => {
        await other.query(`select pg_advisory_lock(${building})`)
        expect(await buildAnn(db, 20_000, new AbortController().signal)).toEqual({ done: 0, remaining: false })
      })
      const during: (string | undefined)[] = []
      const crowded: Database = {
        ...db.owner,
        maintenance: (work) =>
          db.owner.maintenance((sql) =>
            work({
              async query<Row>(text: string, values?: unknown[]) {
                if (!text.includes('create index')) return sql.query<Row>(text, values)
                during.push(await settings(sql))
                const rows = await sql.query<Row>(text, values)
                if (during.length > 1) return rows
                await adminSql(product(), `update pg_index set indisvalid = false where indexrelid = '${first}'::regclass`)
                throw Object.assign(new Error('could not resize shared memory segment'), { code: '53100' })
              },
            }),
          ),
      }
      expect(await buildAnn({ worker: db.worker, owner: crowded }, 20_000, new AbortController().signal)).toEqual({ done: 1, remaining: false })
      expect(during).toEqual([before, '0'])
      expect(await db.owner.maintenance(settings)).toEqual(before)
      expect(
        await adminSql(product(), `select c.relname as name, i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid where c.relname = '${first}'`),
      ).toEqual([{ name: first, valid: true }])
      expect(await indexes()).toEqual([first, ...others])
      await models.switchTo(oldModel)
      await models.switchTo(newModel)
      expect(await buildAnn(db, 20_000, new AbortController().signal)).toEqual({ done: 0, remaining: false })
    })

    test('replaces the old one for good by the drop: no row is left of it, what comes late goes too, and the content is what it was', async () => {
      await expect(models.drop(newModel)).rejects.toThrow('is the model that is searched: switch to another one first')
      expect(await models.drop(oldModel)).toMatchObject({ searched: { name: newModel }, kept: undefined })
      await models.run()
      const rows = () =>
        adminSql<{ n: number }>(
          product(),
          `select count(*)::integer as n from (select model_key from vectors union all select model_key from closed_vectors) v join embedding_models e on e.model_key = v.model_key where e.name = '${oldModel}'`,
        ).then(([row]) => row?.n)
      expect(await rows()).toBe(0)
      // a process that had not heard of it
      await adminSql(
        product(),
        `insert into vectors (tenant_id, model_key, namespace_key, user_key, memory_key, version, embedding)
         select v.tenant_id, e.model_key, v.namespace_key, v.user_key, v.memory_key, v.version, array_fill(0.1::real, array[384])::vector::halfvec from vectors v cross join embedding_models e where e.name = '${oldModel}' limit 5`,
      )
      expect(await rows()).toBe(5)
      await models.run()
      expect(await rows()).toBe(0)
      if (product().local.db.owner.engine !== 'pglite') {
        await buildAnn(product().local.db, 20_000, new AbortController().signal)
        const left = await adminSql<{ model: string }>(
          product(),
          `select e.name as model from pg_class c join embedding_models e on e.model_key = substring(c.relname from '^vectors_ann_[0-9]+_[0-9]+_([0-9]+)')::integer where c.relname like 'vectors_ann_%'`,
        )
        expect(left).toEqual([{ model: newModel }])
      }
      expect(await models.answeredBy(ada, 'tea kettles')).toBe(newModel)
      const lines = await exportOf(product(), ada, 'all_namespaces=true&versions=true&links=true&vectors=true')
      expect(new Set(lines.map((line) => line.embedding_model ?? newModel))).toEqual(new Set([newModel]))
      expect(hashOf(await exportOf(product(), eve))).toBe(hash)
      await kept('after the drop, tea and a kettle')
      await product().settle()
      expect((await models.checkVectors(ada))[oldModel]).toEqual({ present: 0, closed: 0, wrong: [] })
    }, 60_000)
  },
  undefined,
  startNewModel,
)
