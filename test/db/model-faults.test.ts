import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import { type Embedder, hashEmbedder } from '../../shared/embed/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { recall } from '../../shared/recall/index.ts'
import { indexVectors } from '../../shared/vector/index.ts'
import { exitOf, startProcess } from '../http/processes.ts'
import { backedUp, withTarget } from '../support/archives.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { modelsOf, newModel, oldModel, startNewModel, stopNewModel } from '../support/models.ts'
import { adminSql, capture, consumers, loseWakeUps } from './admin.ts'

afterAll(stopNewModel)
const away = () => Promise.reject(new AppError('unavailable', 'The embedding server cannot be used.'))

describeEngines(
  'a new embedding model, when things go wrong',
  (product) => {
    const models = modelsOf(product)
    let ada: Caller
    let ids: string[] = []
    const bulk = async (count: number, name: string) => {
      const items = Array.from({ length: count }, (_, i) => ({ text: `${name} ${i} on tea and kettles` }))
      const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items })
      return body.results.map((one: { id: string }) => one.id) as string[]
    }
    const count = async (model: string) => (await models.checkVectors(ada))[model]?.present
    const pending = async () => (await adminSql(product(), 'select 1 from vector_pending where tenant_id = $1::integer', [ada.tenantId])).length
    beforeAll(() => loseWakeUps(product()))
    beforeEach(async () => {
      await models.reset()
      ada = await product().tenant()
      ids = await bulk(150, 'note')
      await product().settle()
    })

    test('a run that dies holds its lease until that ends; the next one goes on, and embeds again no more than one batch', async () => {
      await models.introduce()
      models.server().asked = []
      const next = models.deps().next as Embedder
      let batches = 0
      const stuck = new Promise<void>((reached) => {
        const dying = { ...next, embed: (texts: string[]) => (++batches < 3 ? next.embed(texts) : new Promise<never>(() => reached())) }
        models.run({ next: dying }).catch(() => {})
      })
      await stuck
      expect(await models.run()).toEqual({ done: 0, remaining: false })
      await adminSql(product(), `update embedding_roles set lease_expires_at = now() - interval '1 second'`)
      const before = await count(newModel)
      expect(before).toBeGreaterThan(0)
      models.server().asked = []
      await models.run()
      const texts = models.server().asked.flat()
      expect(new Set(texts).size).toBe(texts.length)
      expect(texts.filter((text) => text.startsWith('note')).length).toBe(150 - (before as number))
      expect(await count(newModel)).toBe(150)
    })

    test('a process that is killed amid it is followed by another, which does the rest', async ({ skip }) => {
      const { POSTGRES_URL, POSTGRES_MIGRATION_URL } = product().local.config
      skip(POSTGRES_URL === undefined || POSTGRES_MIGRATION_URL === undefined, 'one process at a time has the embedded engine')
      await models.introduce()
      const env = { ...(await startNewModel()), POSTGRES_URL: POSTGRES_URL as string, POSTGRES_MIGRATION_URL: POSTGRES_MIGRATION_URL as string, SIGNING_KEY: 'a test signing key' }
      let asked = 0
      const hanging = new Promise<void>((reached) => {
        models.server().before = (texts) => {
          if (texts.length === 1 || ++asked < 2) return Promise.resolve(200)
          reached()
          return new Promise(() => {})
        }
      })
      const worker = startProcess(['bin/soma.ts', 'worker', 'reembed', '--once'], env)
      await hanging
      worker.kill('SIGKILL')
      await exitOf(worker)
      models.server().before = async () => 200
      expect(await models.run()).toEqual({ done: 0, remaining: false })
      await adminSql(product(), `update embedding_roles set lease_expires_at = now() - interval '1 second'`)
      await models.run()
      expect((await models.checkVectors(ada))[newModel]).toEqual({ present: 150, closed: 0, wrong: [] })
    })

    test('what is changed or forgotten while the job embeds it gets no vector of what it said', async () => {
      await models.introduce()
      const next = models.deps().next as Embedder
      let meanwhile = async () => {
        await product().call(ada, 'PATCH', `/v1/memories/${ids[0]}`, { text: 'something else, on coffee' })
        await product().call(ada, 'DELETE', `/v1/memories/${ids[1]}`)
        await product().call(ada, 'POST', '/v1/memories', { text: 'note 2 again', supersedes: ids[2] })
      }
      await models.run({
        next: {
          ...next,
          embed: async (texts) => {
            const vectors = await next.embed(texts)
            await meanwhile()
            meanwhile = async () => {}
            return vectors
          },
        },
      })
      expect((await models.checkVectors(ada))[newModel]?.wrong).toEqual([])
      await product().settle()
      await models.run()
      expect((await models.checkVectors(ada))[newModel]).toMatchObject({ present: 150, wrong: [] })
    })

    test('its embedder being away holds back nothing: memories are indexed and recalled, the job fails and goes on when it is back', async () => {
      await models.introduce()
      models.server().before = async () => 503
      await bulk(5, 'more')
      await product().settle()
      expect([await pending(), await count(oldModel), await count(newModel)]).toEqual([0, 155, 0])
      expect(await models.answeredBy(ada, 'more kettles')).toBe(oldModel)
      await expect(models.run()).rejects.toThrow('the embedding server answered 503')
      models.server().before = async () => 200
      await models.run()
      expect(await count(newModel)).toBe(155)
    })

    test('a text that it does not take stays without a vector and holds up no other', async () => {
      await models.introduce()
      const next = models.deps().next as Embedder
      const refused: string[] = []
      const picky: Embedder = {
        ...next,
        embed: (texts) => (texts.some((text) => text.startsWith('note 7 ')) ? Promise.reject(new AppError('invalid', 'too long')) : next.embed(texts)),
      }
      await models.run({ next: picky, onRefused: ({ tenantId, model }) => tenantId === ada.tenantId && refused.push(model) })
      expect([await count(newModel), refused]).toEqual([149, [newModel]])
      await expect(models.switchTo(newModel)).rejects.toThrow(/\d memories have no vector of it\. The job reembed/)
    })

    test('a forced switch before it is ready: what lacks a vector is waited for and found all the same, and the job ends the waiting', async () => {
      await models.introduce()
      expect((await models.switchTo(newModel, true)).queued).toBeGreaterThanOrEqual(150)
      expect(await pending()).toBe(150)
      expect(await models.answeredBy(ada, 'note kettles')).toBe(newModel)
      await models.run()
      expect([await pending(), await count(newModel)]).toEqual([0, 150])
      expect(await models.answeredBy(ada, 'note kettles')).toBe(newModel)
    })

    test('a switch while the old embedder is away takes over what waited for that one', async () => {
      await models.introduce()
      await models.run()
      const [late] = await bulk(1, 'late')
      await adminSql(product(), `update vector_pending set queued_at = now() - interval '1 hour' where tenant_id = $1::integer`, [ada.tenantId])
      await expect(models.run({ embedder: { ...hashEmbedder(384), embed: away } })).rejects.toThrow('cannot be used')
      expect([await pending(), await count(newModel)]).toEqual([1, 151])
      await models.switchTo(newModel)
      expect((await product().call(ada, 'GET', `/v1/memories/${late}`)).body.index_state).toBe('indexed')
    })

    test('a switch while a memory is embedded leaves it waiting for the model that is searched then, and it gets that', async () => {
      await models.introduce()
      await models.run()
      await bulk(1, 'late')
      const outbox = capture(product())
      await outbox.drain(ada)
      const next = models.deps().next as Embedder
      let asked = 0
      // beside the old one it fails; what is left to be done is seen only by whoever looks after the switch
      const deps = { ...consumers(product()), next: { ...next, embed: (texts: string[]) => (asked++ === 0 ? away() : next.embed(texts)) } }
      let embedded = 0
      const switching: Embedder = {
        ...deps.embedder,
        embed: async (texts) => {
          if (embedded++ === 0) await models.switchTo(newModel, true)
          return deps.embedder.embed(texts)
        },
      }
      expect(await indexVectors({ ...deps, embedder: switching }, outbox.of(ada))).toEqual([])
      expect([await pending(), await count(oldModel), await count(newModel)]).toEqual([0, 151, 151])
      expect((await models.checkVectors(ada))[newModel]?.wrong).toEqual([])
    })

    test('a process that cannot reach the model that is searched answers by words, says so, and indexes nothing wrongly', async () => {
      await models.introduce()
      await models.run()
      await models.switchTo(newModel)
      const heard: unknown[] = []
      const deps = { embedder: hashEmbedder(384), onDegraded: (_reason: string, error: unknown) => heard.push(error), generation: async () => 1 }
      const found = await recall(product().ctx(ada), deps, { query: 'note kettles' })
      expect([found.degraded_reasons, found.results.length, found.results.every((one) => one.score_breakdown.semantic === 0)]).toEqual([['embedder_unavailable'], 10, true])
      expect(String(heard[0])).toContain(`The embedding model ${newModel} with 48 numbers is to be used, and this process has no embedder of it`)
      await bulk(1, 'late')
      const outbox = capture(product())
      await outbox.drain(ada)
      const failures = await indexVectors(consumers(product()), outbox.of(ada))
      expect(failures.length).toBeGreaterThan(0)
      expect(await pending()).toBe(1)
      expect(await indexVectors({ ...consumers(product()), next: models.deps().next }, outbox.of(ada))).toEqual([])
      expect(await pending()).toBe(0)
    })

    test('a drop while the job works ends it, and it can be introduced anew', async () => {
      await models.introduce()
      const next = models.deps().next as Embedder
      const dropping: Embedder = {
        ...next,
        embed: async (texts) => {
          await models.drop(newModel).catch(() => {})
          return next.embed(texts)
        },
      }
      await models.run({ next: dropping })
      await models.run()
      expect(await count(newModel)).toBe(0)
      await models.introduce()
      await models.run()
      expect(await count(newModel)).toBe(150)
    })

    test('another configuration than that of the servers, a third model, one that is searched already, and one of another dimension than it says are refused', async () => {
      await expect(models.introduceWith({ embedder: hashEmbedder(100), next: models.deps().next })).rejects.toThrow(
        'of which there is no vector here: run this with the configuration',
      )
      await models.introduce()
      const of = (next: Embedder) => models.introduceWith({ ...models.deps(), next })
      await expect(of(hashEmbedder(100))).rejects.toThrow(`${newModel} with 48 numbers is still kept: drop it first`)
      await expect(of(hashEmbedder(384))).rejects.toThrow('is the model that is searched already')
      await expect(of({ ...hashEmbedder(100), dimension: 90 })).rejects.toThrow('answers 100 numbers instead of 90')
      await expect(models.drop('another')).rejects.toThrow('There is no model another here')
    })

    test('a backup knows which model has which part, and its restore goes on with it', async () => {
      await models.introduce()
      await models.run()
      await models.switchTo(newModel)
      const { place } = await backedUp(product())
      await withTarget(product().engine, async (target) => {
        await restore(target.local.db.owner, place)
        const roles =
          'select s.name as searched, k.name as kept from embedding_roles r join embedding_models s on s.model_key = r.searched join embedding_models k on k.model_key = r.kept'
        expect(await adminSql(target, roles)).toEqual([{ searched: newModel, kept: oldModel }])
      })
    })
  },
  undefined,
  startNewModel,
)
