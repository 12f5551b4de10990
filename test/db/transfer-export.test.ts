import { expect, test } from 'vitest'
import { expectProblem } from '../http/checks.ts'
import { type Caller, describeEngines, type Product } from '../support/engines.ts'
import { everything, exportOf, exportText, importOf, link, memory, parse, uuid, version } from '../support/transfer.ts'

/** Three pages of a thousand memories each, and a few. */
const many = 3_003
async function filled(product: Product, count = many, more = {}): Promise<Caller> {
  const caller = await product.tenant()
  const { body } = await importOf(
    product,
    caller,
    Array.from({ length: count }, (_, n) => memory(n + 1, more)),
  )
  expect(body).toMatchObject({ imported: count, failed: 0 })
  return caller
}

/** The export as the network gives it: piece by piece. */
async function opened(product: Product, caller: Caller, query = everything): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await product.local.fetch(new Request(`http://soma.test/v1/export?${query}`, { headers: { authorization: `Bearer ${caller.key}` } }))
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  return (response.body as ReadableStream<Uint8Array>).getReader()
}
async function rest(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let text = ''
  for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) text += Buffer.from(value as Uint8Array).toString()
  return text
}

describeEngines('exporting', (product) => {
  test('a scope is a namespace, or all of them, and a user where one is named', async () => {
    const ada = await product().tenant()
    await importOf(product(), ada, [
      memory(1),
      memory(2, { user_id: 'ada' }),
      memory(3, { namespace: 'other', user_id: 'ada' }),
      memory(4, { namespace: 'other' }),
      link(20, 1, 2),
      link(21, 2, 3),
    ])
    const ids = async (query: string) => (await exportOf(product(), ada, query)).map((line) => Number.parseInt(line.id.slice(-4), 16))
    expect(await ids('')).toEqual([1, 2])
    expect(await ids('links=true')).toEqual([1, 2, 20])
    expect(await ids('namespace=default&links=true')).toEqual([1, 2, 20])
    expect(await ids('namespace=other&links=true')).toEqual([3, 4])
    expect(await ids('namespace=none')).toEqual([])
    expect(await ids('user_id=ada&links=true')).toEqual([2])
    expect(await ids('all_namespaces=true&user_id=ada&links=true')).toEqual([2, 3, 21])
    expect(await ids('all_namespaces=true&links=true')).toEqual([1, 2, 3, 4, 20, 21])
    expect(await ids('all_namespaces=false')).toEqual([1, 2])
  })

  test('a query that is not understood is refused before anything is sent', async () => {
    const ada = await product().tenant()
    for (const [query, pointer] of [
      ['namespace=a&all_namespaces=true', '/all_namespaces'],
      ['versions=yes', '/versions'],
      ['links=', '/links'],
      ['user_id=', '/user_id'],
      ['namespace=', '/namespace'],
      ['cursor=x', '/cursor'],
      [`cursor=${uuid(77)}`, '/cursor'],
      ['limit=1', '/limit'],
      ['links=true&links=true', '/links'],
    ]) {
      expectProblem(await product().call(ada, 'GET', `/v1/export?${query}`), 'invalid', pointer)
    }
  })

  test('reading takes memory:read, versions memory:history, and writing memory:write', async () => {
    const reader = await product().tenant(['memory:read'])
    expect((await product().call(reader, 'GET', '/v1/export?links=true&vectors=true')).status).toBe(200)
    expectProblem(await product().call(reader, 'GET', '/v1/export?versions=true'), 'forbidden')
    expectProblem(await importOf(product(), reader, [memory(1)]), 'forbidden')
    const writer = await product().tenant(['memory:write', 'memory:history'])
    expectProblem(await product().call(writer, 'GET', '/v1/export'), 'forbidden')
    expectProblem(await product().call(null, 'GET', '/v1/export'), 'unauthenticated')
  })

  test('one tenant exports nothing of another, takes none of its cursors, and imports the same ids beside it', async () => {
    const [ada, eve] = [await product().tenant(), await product().tenant()]
    const lines = [version(1, 1), memory(1, { version: 2, coord: '1' }), memory(2), link(20, 1, 2)]
    await importOf(product(), ada, lines)
    expect(await exportOf(product(), eve)).toEqual([])
    for (const id of [1, 20]) expectProblem(await product().call(eve, 'GET', `/v1/export?cursor=${uuid(id)}`), 'invalid', '/cursor')
    expect((await importOf(product(), eve, [link(20, 1, 2)])).body.failed).toBe(1)
    expect((await importOf(product(), eve, lines)).body).toMatchObject({ imported: 2, versions: 1, links: 1 })
    await product().call(eve, 'DELETE', `/v1/memories/${uuid(1)}`)
    expect(await exportOf(product(), ada)).toEqual(lines)
  })

  test('broken off after any byte, it goes on behind the last whole line to the very same export', async () => {
    const ada = await product().tenant()
    await importOf(product(), ada, [
      version(1, 1),
      version(1, 2),
      memory(1, { version: 3 }),
      memory(2, { text: '🍵' }),
      version(3, 1),
      memory(3, { version: 2 }),
      link(20, 1, 2),
      link(21, 3, 1),
    ])
    const whole = Buffer.from(await exportText(product(), ada))
    const rests = new Map<string, string>()
    for (let cut = 0; cut <= whole.length; cut++) {
      const lines = parse(whole.subarray(0, whole.lastIndexOf(10, cut - 1) + 1).toString())
      const kept = lines.slice(0, lines.findLastIndex((line) => line.kind !== 'version') + 1)
      const cursor = kept.at(-1)?.id ?? ''
      // only where the cursor changes there is something new to ask
      const rest = rests.get(cursor) ?? (await exportText(product(), ada, `${everything}${cursor && `&cursor=${cursor}`}`))
      rests.set(cursor, rest)
      expect(kept.map((line) => `${JSON.stringify(line)}\n`).join('') + rest).toBe(whole.toString())
    }
    expect(rests.size).toBe(6)
  })

  test('a cursor that was forgotten meanwhile still tells the place', async () => {
    const ada = await product().tenant()
    await importOf(product(), ada, [memory(1), memory(2), memory(3)])
    await product().call(ada, 'DELETE', `/v1/memories/${uuid(2)}`)
    expect((await exportOf(product(), ada, `cursor=${uuid(2)}`)).map((line) => line.id)).toEqual([uuid(3)])
  })

  test('what is forgotten while it runs is absent from the pages that follow, and what is stored meanwhile is there', async () => {
    const ada = await filled(product())
    const reader = await opened(product(), ada)
    const first = Buffer.from((await reader.read()).value as Uint8Array).toString()
    expect(parse(first).length).toBeLessThan(1_500)
    for (const id of [2_900, 2_901]) await product().call(ada, 'DELETE', `/v1/memories/${uuid(id)}`)
    await product().call(ada, 'PATCH', `/v1/memories/${uuid(3_000)}`, { text: 'changed meanwhile' })
    const late = await product().call(ada, 'POST', '/v1/memories', { text: 'stored meanwhile' })
    const lines = parse(first + (await rest(reader)))
    const ids = lines.filter((line) => line.kind === undefined).map((line) => line.id)
    expect(ids).toEqual([...Array.from({ length: many }, (_, n) => uuid(n + 1)).filter((id) => id !== uuid(2_900) && id !== uuid(2_901)), late.body.id])
    expect(lines.filter((line) => line.id === uuid(3_000)).map((line) => [line.kind, line.version, line.text])).toEqual([
      ['version', 1, 'memory 3000'],
      [undefined, 2, 'changed meanwhile'],
    ])
  })

  test('a reader that goes away ends it, and holds nothing', async () => {
    const ada = await filled(product(), 2_500)
    for (let n = 0; n < 15; n++) {
      const reader = await opened(product(), ada)
      await reader.read()
      await reader.cancel()
    }
    // more than there are connections
    expect((await exportOf(product(), ada)).length).toBe(2_500)
  })

  test('pages are bounded by bytes as well', async () => {
    const ada = await filled(product(), 40, { payload: { blob: 'x'.repeat(200_000) } })
    const reader = await opened(product(), ada)
    const sizes: number[] = []
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) sizes.push((value as Uint8Array).byteLength)
    expect(Math.max(...sizes)).toBeLessThan(1_300_000)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(8_000_000)
  })
})
