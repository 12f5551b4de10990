import { createHash } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { createClient } from '../../shared/client/index.ts'
import type { OperationPart } from '../../shared/operation/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import type { Caller, Product } from '../support/engines.ts'
import { everything, exportText, hashOf, importOf, link, memory, parse, uuid, version } from '../support/transfer.ts'
import { byUrl, describeStores, fetched, leaseOver, operationOf, runOperations, started, stopping, storeOf } from '../support/transfers.ts'
import { expectProblem } from './checks.ts'
import { freePort } from './processes.ts'

/** Memories with versions and links: some forty lines. */
async function filled(product: Product, more: object[] = []): Promise<Caller> {
  const caller = await product.tenant()
  const lines = Array.from({ length: 12 }, (_, n) => [
    version(n + 1, 1),
    version(n + 1, 2),
    memory(n + 1, { version: 3, text: `memory ${n + 1} 🍵`, user_id: n % 2 ? 'ada' : null }),
  ])
  const { body } = await importOf(product, caller, [...lines.flat(), ...Array.from({ length: 6 }, (_, n) => link(50 + n, n + 1, n + 2)), ...(more as ReturnType<typeof memory>[])])
  expect(body.failed).toBe(0)
  return caller
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describeStores('exports that go on after their answer', (product, kind) => {
  beforeAll(() => loseWakeUps(product()))

  test('the parts together are what GET /v1/export gives, whatever their size; each is whole, and named by its SHA-256', async () => {
    const ada = await filled(product())
    const whole = await exportText(product(), ada)
    const longest = Math.max(...whole.split('\n').map((line) => Buffer.byteLength(line) + 1))
    for (const partBytes of [1, longest, 3 * longest, 10 * longest, 64 * 1024 * 1024]) {
      const id = await started(product(), ada)
      expect(await operationOf(product(), ada, id)).toMatchObject({ kind: 'export', state: 'pending', progress: 0, parts: [] })
      await runOperations(product(), { limits: { partBytes } })
      const { parts, texts } = await fetched(product(), ada, id)
      expect(texts.join('')).toBe(whole)
      for (const [index, { part, bytes, lines, sha256: sum }] of parts.entries()) {
        const text = texts[index] as string
        expect([part, bytes, lines, sum]).toEqual([index + 1, Buffer.byteLength(text), parse(text).length, sha256(text)])
        expect(bytes <= partBytes || lines === 1).toBe(true)
        // a memory with its versions fits into the larger ones: there each part can be imported by itself
        if (partBytes >= 3 * longest) expect(parse(text).at(-1)?.kind).not.toBe('version')
      }
      const operation = await operationOf(product(), ada, id)
      expect(operation).toMatchObject({ state: 'succeeded', progress: 1, problem: null, parts_until: expect.any(String) })
      expect(operation.result).toEqual({ lines: parse(whole).length, bytes: Buffer.byteLength(whole), parts: parts.length, hash: hashOf(parse(whole)) })
      expect(Date.parse(operation.parts_until) - Date.now()).toBeGreaterThan(6 * 24 * 3_600_000)
    }
  })

  test('a part takes exactly as many lines as fit', async () => {
    const ada = await product().tenant()
    await importOf(product(), ada, [memory(1), memory(2), memory(3)])
    const whole = await exportText(product(), ada, '')
    const two = Buffer.byteLength(whole.split('\n').slice(0, 2).join('\n')) + 1
    for (const [partBytes, lines] of [
      [two, [2, 1]],
      [two - 1, [1, 1, 1]],
      [Buffer.byteLength(whole), [3]],
      [Buffer.byteLength(whole) - 1, [2, 1]],
    ] as const) {
      const id = await started(product(), ada, {})
      await runOperations(product(), { limits: { partBytes } })
      expect((await operationOf(product(), ada, id)).parts.map((part: { lines: number }) => part.lines)).toEqual(lines)
    }
  })

  test('a scope, a cursor and vectors are as in GET /v1/export; nothing at all is an export without parts', async () => {
    const ada = await filled(product(), [memory(30, { namespace: 'other' })])
    await product().settle()
    for (const [body, query] of [
      [{}, ''],
      [{ namespace: 'other' }, 'namespace=other'],
      [{ namespace: 'none' }, 'namespace=none'],
      [{ all_namespaces: true, user_id: 'ada', links: true }, 'all_namespaces=true&user_id=ada&links=true'],
      [{ links: true, cursor: uuid(51) }, `links=true&cursor=${uuid(51)}`],
      [{ versions: true, cursor: uuid(9) }, `versions=true&cursor=${uuid(9)}`],
      [{ vectors: true, links: true }, 'vectors=true&links=true'],
    ] as const) {
      const id = await started(product(), ada, body)
      await runOperations(product(), { limits: { partBytes: 20_000 } })
      const { parts, texts } = await fetched(product(), ada, id)
      const whole = await exportText(product(), ada, query)
      expect(texts.join('')).toBe(whole)
      if (whole === '') expect(parts).toEqual([])
    }
    for (const [body, pointer] of [
      [{ namespace: 'a', all_namespaces: true }, '/all_namespaces'],
      [{ versions: 'true' }, '/versions'],
      [{ cursor: uuid(77) }, '/cursor'],
      [{ limit: 1 }, '/limit'],
    ] as const)
      expectProblem(await product().call(ada, 'POST', '/v1/exports', body), 'invalid', pointer)
  })

  test('between two parts it holds nothing: what is forgotten then is in no part that follows, what changes or comes is there', async () => {
    const ada = await filled(product())
    const id = await started(product(), ada)
    const ending = new AbortController()
    const store = await storeOf(product())
    const afterFirst = { ...store, put: async (...given: Parameters<typeof store.put>) => store.put(...given).then(() => ending.abort()) }
    await runOperations(product(), { limits: { partBytes: 5_000 }, store: afterFirst, signal: ending.signal })
    const first = await fetched(product(), ada, id)
    const seen = parse(first.texts.join('')).filter((line) => line.kind === undefined).length
    expect([first.parts.length, (await operationOf(product(), ada, id)).state]).toEqual([1, 'running'])
    expect(seen).toBeGreaterThan(1)
    expect(seen).toBeLessThan(8)
    await product().call(ada, 'DELETE', `/v1/memories/${uuid(1)}`)
    await product().call(ada, 'DELETE', `/v1/memories/${uuid(10)}`)
    await product().call(ada, 'PATCH', `/v1/memories/${uuid(11)}`, { text: 'changed meanwhile' })
    const late = (await product().call(ada, 'POST', '/v1/memories', { text: 'stored meanwhile' })).body.id
    await runOperations(product(), { limits: { partBytes: 5_000 } })
    const { texts } = await fetched(product(), ada, id)
    expect(texts[0]).toBe(first.texts[0])
    // exactly what a reader of the stream gets who goes on behind the same line
    const last = parse(texts[0] as string).at(-1)?.id
    const rest = await exportText(product(), ada, `${everything}&cursor=${last}`)
    const [memories, links] = [(line: { kind?: string }) => line.kind !== 'link', (line: { kind?: string }) => line.kind === 'link']
    const following = parse(texts.slice(1).join(''))
    expect(following.filter(memories)).toEqual(parse(rest).filter(memories))
    expect(following.filter((line) => line.kind === undefined).map((line) => line.id)).toEqual([
      ...Array.from({ length: 12 - seen }, (_, n) => uuid(seen + 1 + n)).filter((one) => one !== uuid(10)),
      late,
    ])
    expect(following.filter(links)).toEqual(parse(rest).filter(links))
    expect(following.filter(links).map((line) => line.id)).not.toContain(uuid(50))
  })

  test.each([
    [1, 'before'],
    [1, 'after'],
    [3, 'before'],
    [3, 'after'],
  ] as const)('killed at object %i, %s it is written, the export is whole and nothing is in it twice, also when the dead one was only slow', async (at, where) => {
    const ada = await filled(product())
    const whole = await exportText(product(), ada)
    const id = await started(product(), ada)
    const dead = stopping(await storeOf(product()), at, where)
    const limits = { partBytes: 5_000 }
    const run = runOperations(product(), { limits, store: dead.store })
    await dead.reached
    // while it lives nobody else takes it up
    await runOperations(product(), { limits })
    expect(await operationOf(product(), ada, id)).toMatchObject({ state: 'running' })
    expect((await operationOf(product(), ada, id)).parts).toHaveLength(at - 1)
    await leaseOver(product(), ada)
    await runOperations(product(), { limits })
    const ended = await operationOf(product(), ada, id)
    expect(ended.state).toBe('succeeded')
    dead.go()
    await run
    // what the slow one still wrote is under a name of its own, and what it would have recorded is refused
    const after = await fetched(product(), ada, id)
    expect(after.texts.join('')).toBe(whole)
    for (const [index, part] of after.parts.entries()) expect(part.sha256).toBe(sha256(after.texts[index] as string))
    expect((await operationOf(product(), ada, id)).result).toEqual(ended.result)
    expect((await (await storeOf(product())).list(`transfers/${ada.tenantId}/${id}`)).length).toBe(after.parts.length + 1)
  })

  test('its objects are removed when their time is over, those of a dead run too; the operation says so', async () => {
    const ada = await filled(product())
    const id = await started(product(), ada)
    const store = await storeOf(product())
    await store.put(`transfers/${ada.tenantId}/${id}/1.left-behind.ndjson`, (async function* () {})())
    await runOperations(product(), { limits: { partBytes: 5_000 } })
    const [part] = (await operationOf(product(), ada, id)).parts
    // a month is no reason to forget an operation whose objects are there
    await adminSql(product(), `update operations set updated_at = now() - interval '31 days' where tenant_id = $1::integer`, [ada.tenantId])
    await product().local.runJob('sweep')
    expect((await byUrl(product(), ada, part)).status).toBe(200)
    await adminSql(product(), `update operations set objects_until = now() - interval '1 second' where tenant_id = $1::integer`, [ada.tenantId])
    await product().local.runJob('sweep')
    expect(await store.list(`transfers/${ada.tenantId}`)).toEqual([])
    const swept = await operationOf(product(), ada, id)
    expect(swept).toMatchObject({ state: 'succeeded', parts_until: null })
    expect(new Set(swept.parts.map((one: { url: null }) => one.url))).toEqual(new Set([null]))
    expectProblem(await product().call(ada, 'GET', `/v1/exports/${id}/parts/1`), 'gone')
    expect((await byUrl(product(), ada, part)).status).toBe(kind === 'files' ? 410 : 404)
    await product().local.runJob('sweep')
    expectProblem(await product().call(ada, 'GET', `/v1/operations/${id}`), 'not_found')
  })

  test('the client fetches and sends parts past the API where that goes, and through it where nothing answers', async () => {
    const [ada, eve] = [await filled(product()), await product().tenant()]
    const id = await started(product(), ada)
    await runOperations(product())
    const { texts } = await fetched(product(), ada, id)
    const clientOf = ({ key }: Caller) => createClient({ url: 'http://soma.test', fetch: product().local.fetch, token: key })
    const [part] = (await clientOf(ada).operation(id)).parts as [OperationPart]
    const nowhere = `http://127.0.0.1:${await freePort()}/part`
    for (const url of [part.url, nowhere]) expect(Buffer.from(await clientOf(ada).getPart(id, { ...part, url })).toString()).toBe(texts[0])
    const bytes = Buffer.from(texts[0] as string)
    for (const url of [undefined, nowhere]) {
      const announced = await clientOf(eve).announceImport([bytes.length])
      const [place] = announced.parts as [OperationPart]
      await clientOf(eve).putPart(announced.id, { ...place, url: url ?? place.url }, bytes)
      expect((await clientOf(eve).startImport(announced.id)).state).toBe('pending')
    }
    // what the store itself refuses is not asked of the API
    if (kind === 'a bucket') await expect(clientOf(ada).getPart(id, { ...part, url: `${part.url}x` })).rejects.toMatchObject({ status: 403 })
  })
})
