import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EngineRow, mark, type Narrow, type VectorEngine } from '../../shared/vector/index.ts'
import { requireService } from '../support/services.ts'
import { engineAt } from './milvus.ts'

const url = requireService('TEST_MILVUS_URL')
const dimension = 8
const collection = `soma_test_${Date.now()}`
/** Of different lengths and directions; the nearest to `n` is `n`. */
const vectorOf = (n: number) => Float32Array.from({ length: dimension }, (_, i) => Math.sin(n * (i + 1)))
const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`
const row = (n: number, more: Partial<EngineRow> = {}): EngineRow => ({
  tenantId: 1,
  memoryKey: String(n),
  version: 1,
  id: idOf(n),
  namespaceKey: 1,
  userKey: n % 2 ? 5 : null,
  recordedMs: 1_000 + n,
  createdMs: 1_000 + n,
  occurredMs: n % 3 ? 2_000 + n : null,
  importance: n,
  marks: [mark('tags', n % 2 ? 'odd' : 'even')],
  vector: vectorOf(n),
  ...more,
})
const sorted = (keys: string[]) => keys.toSorted((a, b) => Number(a) - Number(b))

describe.skipIf(!url)(`Milvus as a vector engine${url ? '' : ' (skipped: no TEST_MILVUS_URL)'}`, () => {
  let engine: VectorEngine
  beforeAll(async () => {
    engine = engineAt(url as string)
    await engine.create(collection, dimension)
    await engine.insert(collection, [...Array.from({ length: 10 }, (_, i) => row(i + 1)), row(21, { tenantId: 2 }), row(11, { namespaceKey: 2 })])
  })
  afterAll(async () => {
    await engine.drop(collection)
    await engine.close()
  })
  const search = async (more: { narrow?: Narrow; tenantId?: number; namespaceKey?: number; userKey?: number; limit?: number } = {}) =>
    (await engine.search(collection, { tenantId: 1, namespaceKey: 1, userKey: undefined, narrow: undefined, vector: vectorOf(3), limit: 100, ...more })).memoryKeys

  test('making a collection again changes nothing, and dropping one that is not there is no error', async () => {
    await engine.create(collection, dimension)
    expect([await engine.has(collection), await engine.count(collection, 1)]).toEqual([true, 11])
    await engine.drop('soma_test_never_made')
    expect(await engine.has('soma_test_never_made')).toBe(false)
  })

  test('the nearest comes first, within tenant, namespace and user', async () => {
    expect((await search())[0]).toBe('3')
    expect(sorted(await search())).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'])
    expect(await search({ limit: 2 })).toHaveLength(2)
    expect(await search({ namespaceKey: 2 })).toEqual(['11'])
    expect(sorted(await search({ userKey: 5 }))).toEqual(['1', '3', '5', '7', '9'])
    expect([await search({ tenantId: 2 }), await search({ tenantId: 3 })]).toEqual([['21'], []])
  })

  test('conditions narrow it: marks, bounds, and both together', async () => {
    const odd: Narrow = { kind: 'marked', anyOf: [mark('tags', 'odd')] }
    const late: Narrow = { kind: 'bound', field: 'occurredMs', op: '>=', value: 2_008 }
    expect(sorted(await search({ narrow: odd }))).toEqual(['1', '3', '5', '7', '9'])
    expect(await search({ narrow: { kind: 'marked', anyOf: [mark('tags', 'odd'), mark('tags', 'even')] } })).toHaveLength(10)
    expect(await search({ narrow: { kind: 'marked', anyOf: [mark('tags', 'none')] } })).toEqual([])
    expect(sorted(await search({ narrow: late }))).toEqual(['8', '10'])
    expect(sorted(await search({ narrow: { kind: 'or', parts: [odd, late] } }))).toEqual(['1', '3', '5', '7', '8', '9', '10'])
    expect(sorted(await search({ narrow: { kind: 'and', parts: [odd, { kind: 'bound', field: 'importance', op: '<=', value: 3.5 }] } }))).toEqual(['1', '3'])
    expect(sorted(await search({ narrow: { kind: 'bound', field: 'recordedMs', op: '<=', value: 1_002 } }))).toEqual(['1', '2'])
  })

  test('what was inserted and is shown to whoever wrote it is found by the next search', async () => {
    for (let n = 100; n < 110; n++) {
      await engine.insert(collection, [row(n, { namespaceKey: 3 })])
      await engine.placesOf(collection, 1, [String(n)], true)
      const { memoryKeys } = await engine.search(collection, { tenantId: 1, namespaceKey: 3, userKey: undefined, narrow: undefined, vector: vectorOf(n), limit: 100 })
      expect(memoryKeys[0]).toBe(String(n))
      expect(memoryKeys).toHaveLength(n - 99)
    }
  })

  test('versions have places of their own, and are told and removed one by one, or by memory; never another tenant’s', async () => {
    await engine.insert(collection, [row(200, { namespaceKey: 4 }), row(200, { namespaceKey: 4, version: 2 }), row(201, { namespaceKey: 4 })])
    const places = async () => (await engine.placesBetween(collection, 1, '199', '201')).map(({ memoryKey, version }) => `${memoryKey}.${version}`).sort()
    expect(await places()).toEqual(['200.1', '200.2', '201.1'])
    expect(await search({ namespaceKey: 4 })).toHaveLength(2)
    expect(await engine.placesBetween(collection, 1, '200', undefined)).toEqual([{ memoryKey: '201', version: 1 }])
    const [found] = await engine.vectorsAt(collection, 1, [{ memoryKey: '201', version: 1 }])
    expect(found?.vector.map((one) => Math.round(one * 1e5))).toEqual(Array.from(vectorOf(201), (one) => Math.round(one * 1e5)))
    await engine.remove(collection, 2, [{ memoryKey: '200', version: 1 }])
    await engine.removeMemories(collection, 2, [idOf(201)])
    expect(await places()).toEqual(['200.1', '200.2', '201.1'])
    await engine.remove(collection, 1, [{ memoryKey: '200', version: 1 }])
    expect(await places()).toEqual(['200.2', '201.1'])
    await engine.removeMemories(collection, 1, [idOf(200), idOf(201)])
    expect(await places()).toEqual([])
  })

  test('a collection that is not there, a server that is not there and one that is no Milvus are told with what to look at', async () => {
    const asked = { tenantId: 1, namespaceKey: 1, userKey: undefined, narrow: undefined, vector: vectorOf(1), limit: 1 }
    await expect(engine.search('soma_test_never_made', asked)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('rebuild-index') })
    await expect(engine.insert('soma_test_never_made', [row(1)])).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('rebuild-index') })
    const nobody = engineAt('http://127.0.0.1:1')
    await expect(nobody.ask()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(/MILVUS_HOST.*cannot be reached/) })
    await nobody.close()
  })
})
