import { expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { exportOf, importOf, link, memory, ndjson, uuid, version } from '../support/transfer.ts'

const bytes = (...parts: (string | Uint8Array)[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)))

describeEngines('importing bad files', (product) => {
  test('a bad line costs none of the others, and is named with its number, code and field', async () => {
    const ada = await product().tenant()
    const wrong: [unknown, string, string | undefined][] = [
      ['nonsense', 'malformed', undefined],
      [[1], 'malformed', undefined],
      ['{"id":', 'malformed', undefined],
      [memory(1, { id: 'x' }), 'invalid', '/id'],
      [memory(2, { text: 'NUL \0' }), 'invalid', '/text'],
      [memory(3, { text: '\ud800 alone' }), 'invalid', '/text'],
      [JSON.stringify(memory(4)).replace('"importance":1', '"importance":1e999'), 'invalid', '/importance'],
      [JSON.stringify(memory(5)).replace('"metadata":{}', '"metadata":{"n":-1e999}'), 'invalid', '/metadata/n'],
      [memory(6, { other: 1 }), 'invalid', '/other'],
      [memory(7, { text: ' ' }), 'invalid', '/text'],
      [memory(8, { version: 0 }), 'invalid', '/version'],
      [memory(9, { updated_at: '2023-01-01T00:00:00Z' }), 'invalid', '/updated_at'],
      [memory(10, { created_at: '2999-01-01T00:00:00Z', updated_at: '2999-01-01T00:00:00Z' }), 'invalid', '/updated_at'],
      [memory(11, { valid_from: '2020-01-02T00:00:00Z', valid_to: '2020-01-01T00:00:00Z' }), 'invalid', '/valid_to'],
      [memory(12, { embedding: [1, 2], embedding_model: 'm', embedding_dim: 3 }), 'invalid', '/embedding'],
      [memory(13, { embedding: [70_000], embedding_model: 'm', embedding_dim: 1 }), 'invalid', '/embedding/0'],
      [memory(14, { kind: 'other' }), 'invalid', '/kind'],
      [version(15, 1, { closed_at: '2023-01-01T00:00:00Z' }), 'invalid', '/closed_at'],
      [link(16, 1, 2, { weight: 0 }), 'invalid', '/weight'],
      [memory(17, { coord: 'a,b' }), 'invalid', '/coord'],
      [memory(18, { version: 1_000_000_001 }), 'invalid', '/version'],
      [version(19, 1, { closed_at: '2999-01-01T00:00:00Z' }), 'invalid', '/closed_at'],
    ]
    const good = (n: number) => JSON.stringify(memory(100 + n))
    const lines = wrong.flatMap(([line], n) => [good(n), typeof line === 'string' ? line : JSON.stringify(line)])
    const { status, body } = await importOf(product(), ada, `${lines.join('\n')}\n`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ lines: 2 * wrong.length, imported: wrong.length, failed: wrong.length, more_errors: 0 })
    expect(body.errors.map((one: { line: number; code: string; pointer?: string }) => [one.line, one.code, one.pointer])).toEqual(
      wrong.map(([, code, pointer], n) => [2 * n + 2, code, pointer]),
    )
    for (const { detail } of body.errors) expect(detail).toMatch(/\.$/)
    expect((await exportOf(product(), ada)).map((line) => line.id)).toEqual(wrong.map((_, n) => uuid(100 + n)))
  })

  test('bytes that are no UTF-8, a line that is too long and a file that is cut cost their own line only', async () => {
    const ada = await product().tenant()
    const long = `{"text":"${'x'.repeat(2 * 1024 * 1024)}"}`
    const body = bytes(
      `${JSON.stringify(memory(1))}\r\n\n`,
      '{"text":"',
      new Uint8Array([0xc3, 0x28]),
      '"}\n',
      `${long}\n`,
      `${JSON.stringify(memory(2))}\n`,
      JSON.stringify(memory(3, { text: 'ends in a cup 🍵' })).slice(0, -30),
    )
    const cut = Buffer.concat([body.subarray(0, body.lastIndexOf(Buffer.from('🍵')) + 2)])
    expect((await importOf(product(), ada, cut)).body).toMatchObject({
      lines: 5,
      imported: 2,
      failed: 3,
      errors: [
        { line: 3, code: 'malformed', detail: 'The line is not UTF-8.' },
        { line: 4, code: 'too_large' },
        { line: 6, code: 'malformed', detail: 'The line is not UTF-8.' },
      ],
    })
    // a last line without its end of line is whole all the same
    expect((await importOf(product(), ada, JSON.stringify(memory(3)))).body).toMatchObject({ lines: 1, imported: 1 })
  })

  test('where nothing can be read the whole is refused, and nothing is stored', async () => {
    const ada = await product().tenant()
    const utf16 = Buffer.from(`\ufeff${ndjson([memory(1)])}`, 'utf16le')
    for (const [body, detail] of [
      [utf16, 'The body is UTF-16'],
      [bytes(new Uint8Array([0x1f, 0x8b, 8, 0])), 'The body is gzip'],
      ['[\n{"id":1},\n]\n', 'No line of the body could be read. Line 1'],
      [JSON.stringify([memory(1)]), 'No line of the body could be read'],
      [utf16.subarray(2), 'No line of the body could be read'],
    ] as const) {
      const answer = await importOf(product(), ada, body as Uint8Array)
      expect(answer).toMatchObject({ status: 422, body: { code: 'invalid', detail: expect.stringContaining(detail) } })
    }
    expect(await importOf(product(), ada, '')).toMatchObject({ status: 200, body: { lines: 0, imported: 0 } })
    expect((await product().call(ada, 'POST', '/v1/import', '{}')).status).toBe(415)
    expect(await exportOf(product(), ada)).toEqual([])
  })

  test('the first hundred errors are listed, the others counted', async () => {
    const ada = await product().tenant()
    const { body } = await importOf(product(), ada, `${JSON.stringify(memory(1))}\n${'x\n'.repeat(2_345)}`)
    expect(body).toMatchObject({ lines: 2_346, imported: 1, failed: 2_345, more_errors: 2_245 })
    expect(body.errors.map((one: { line: number }) => one.line)).toEqual(Array.from({ length: 100 }, (_, n) => n + 2))
  })

  test('what is in the file twice is known the second time, or a conflict where it differs', async () => {
    const ada = await product().tenant()
    const lines = [
      version(1, 1),
      version(1, 1),
      version(1, 1, { text: 'another past' }),
      memory(1, { version: 2 }),
      memory(1, { version: 2 }),
      memory(1, { version: 2, text: 'changed' }),
      memory(1, { version: 3 }),
      memory(2, { coord: '1,2' }),
      memory(3, { coord: '1.0, 2' }),
      memory(4, { coord: '1,2', namespace: 'other' }),
      link(20, 1, 2),
      link(20, 1, 2),
      link(20, 1, 2, { weight: 2 }),
      link(21, 1, 2),
      link(22, 1, 99),
      link(23, 99, 1),
    ]
    const { body } = await importOf(product(), ada, lines)
    expect(body).toMatchObject({ lines: 16, imported: 3, versions: 1, links: 1, duplicate: 3, failed: 8 })
    expect(body.errors.map((one: { line: number; code: string; pointer?: string }) => [one.line, one.code, one.pointer])).toEqual([
      [3, 'conflict', '/version'],
      [6, 'conflict', undefined],
      [7, 'conflict', undefined],
      [9, 'conflict', '/coord'],
      [13, 'conflict', undefined],
      [14, 'conflict', undefined],
      [15, 'invalid', '/to'],
      [16, 'invalid', '/from'],
    ])
  })

  test('a version needs its memory: after it, or here already', async () => {
    const ada = await product().tenant()
    const first = await importOf(product(), ada, [version(1, 1), version(2, 2), memory(2, { version: 2 }), version(3, 1), memory(3, { version: 4, text: 'three' })])
    expect(first.body).toMatchObject({
      imported: 2,
      versions: 1,
      failed: 2,
      errors: [
        { line: 1, detail: 'The memory of this version does not follow.' },
        { line: 2, pointer: '/version' },
      ],
    })
    expect((await importOf(product(), ada, [version(3, 2), version(3, 4)])).body).toMatchObject({ versions: 1, failed: 1 })
    const history = await product().call(ada, 'GET', `/v1/memories/${uuid(3)}/history`)
    expect(history.body.items.map((one: { version: number }) => one.version)).toEqual([1, 2, 4])
    const writer = await product().tenant(['memory:read', 'memory:write'])
    const { body } = await importOf(product(), writer, [version(4, 1), memory(4, { version: 2 })])
    expect(body).toMatchObject({ imported: 1, versions: 0, errors: [{ line: 1, code: 'forbidden' }] })
  })

  test('more versions of one memory than a call takes come together, or not at all', async () => {
    const ada = await product().tenant()
    const past = Array.from({ length: 1_234 }, (_, n) => version(1, n + 1))
    const lines = [memory(8), ...past, memory(1, { version: 2_000 }), memory(9)]
    expect((await importOf(product(), ada, lines)).body).toMatchObject({ imported: 3, versions: 1_234, failed: 0 })
    expect(await exportOf(product(), ada)).toEqual(lines)
    expect((await importOf(product(), ada, lines)).body).toMatchObject({ duplicate: lines.length, failed: 0 })

    const eve = await product().tenant()
    const orphans = await importOf(product(), eve, [...past, memory(2)])
    expect(orphans.body).toMatchObject({ imported: 1, versions: 0, failed: 1_234 })
    const [row] = await product().local.db.app.transaction({ role: 'soma_app', tenantId: eve.tenantId, readOnly: true }, (tx) =>
      tx.query<{ n: number }>(
        `select (select count(*)::integer from memory_versions where tenant_id = $1::integer) + (select count(*)::integer from closed_postings where tenant_id = $1::integer) as n`,
        [eve.tenantId],
      ),
    )
    expect(row?.n).toBe(0)
  })

  test('what was forgotten or erased here does not come back', async () => {
    const ada = await product().tenant()
    await importOf(product(), ada, [memory(1), memory(2)])
    await product().call(ada, 'DELETE', `/v1/memories/${uuid(1)}`)
    await product().local.db.worker.transaction({ role: 'soma_worker', tenantId: ada.tenantId }, (tx) =>
      tx.query(`insert into erasures (tenant_id, erasure_id, kind, target) values ($1::integer, gen_random_uuid(), 'memory', $2::text)`, [ada.tenantId, uuid(3)]),
    )
    const { body } = await importOf(product(), ada, [memory(1), version(3, 1), memory(3, { version: 2 }), memory(2)])
    expect(body).toMatchObject({ imported: 0, duplicate: 1, failed: 3 })
    expect(body.errors.map((one: { line: number; code: string }) => [one.line, one.code])).toEqual([
      [1, 'conflict'],
      [2, 'gone'],
      [3, 'gone'],
    ])
    expect((await exportOf(product(), ada)).map((line) => line.id)).toEqual([uuid(2)])
  })
})
