import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VectorEngine } from '../../shared/vector/index.ts'
import { adminSql, idsOf, loseWakeUps } from '../db/admin.ts'
import { type Caller, describeBeside, describeEngines } from '../support/engines.ts'
import { answersOf } from '../support/model-server.ts'
import { requireService } from '../support/services.ts'
import { checkTurns, cosine, dimension, startTurnServer, stopTurnServer, turn } from '../support/turns.ts'
import { engineAt, milvusAt, servingOf } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
if (url) describeBeside(['postgres 18'], milvusAt(url))
if (url)
  describeEngines(
    'Milvus, where turns are embedded with the one before',
    (product) => {
      let engine: VectorEngine
      let ada: Caller
      beforeAll(async () => {
        engine = engineAt(url)
        await loseWakeUps(product())
        ada = await product().tenant()
      })
      afterAll(async () => {
        await engine?.close()
        await stopTurnServer()
      })
      const find = async (query: string) => idsOf((await product().call(ada, 'POST', '/v1/recall', { query, mode: 'vector', consistency: 'eventual' })).body.results)
      const vectorsOf = async (id: string | undefined) => {
        const [row] = await adminSql<{ memory_key: string }>(product(), 'select memory_key from memories where tenant_id = $1::integer and id = $2::uuid', [ada.tenantId, id])
        return engine.vectorsAt(await servingOf(product()), ada.tenantId, [{ memoryKey: row?.memory_key ?? '0', version: 1 }])
      }

      test('the vector of a turn is another one at its place when the turn before changes or goes', async () => {
        const { body } = await product().call(ada, 'POST', '/v1/memories/bulk', { items: [turn(0, 'Where is the umbrella?'), turn(1, 'Behind the door.')] })
        const [first, second] = idsOf(body.results)
        await product().settle()
        expect((await find('umbrella')).sort()).toEqual([first, second].sort())
        const steps: [string, () => Promise<unknown>][] = [
          ['Ada: Where is the kettle?\nBen: Behind the door.', () => product().call(ada, 'PATCH', `/v1/memories/${first}`, { text: 'Where is the kettle?' })],
          ['Ben: Behind the door.', () => product().call(ada, 'DELETE', `/v1/memories/${first}`)],
        ]
        for (const [text, change] of steps) {
          await change()
          // until it is made again nothing of it is near to anything
          expect(await find('umbrella')).not.toContain(second)
          await product().settle()
          const places = await vectorsOf(second)
          expect(places).toHaveLength(1)
          const [expected] = answersOf([text], dimension)
          expect(cosine(Float32Array.from(places[0]?.vector ?? []), expected as Float32Array)).toBeGreaterThan(0.999)
          expect(await find('door')).toContain(second)
          expect(await checkTurns(product(), ada)).toMatchObject({ waiting: [], wrong: [] })
        }
      })
    },
    undefined,
    startTurnServer,
  )
