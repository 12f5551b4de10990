import { expect, test } from 'vitest'
import { importLines } from '../../shared/transfer/index.ts'
import { describeEngines } from '../support/engines.ts'
import { importOf, memory, ndjson, uuid, version } from '../support/transfer.ts'
import { rowCounts } from './admin.ts'

const at = (day: number) => `2024-01-${String(day).padStart(2, '0')}T00:00:00.000Z`
const closed = (n: number, number: number, from: number, to: number) => version(n, number, { updated_at: at(from), closed_at: at(to) })

describeEngines('versions in an import', (product) => {
  test('versions that overlap, go backwards or end after their memory begins are refused, so that no instant has two', async () => {
    const ada = await product().tenant()
    const cases = [
      [closed(1, 1, 2, 6), closed(1, 2, 3, 7), memory(1, { version: 3, updated_at: at(7) })],
      [closed(2, 2, 2, 3), closed(2, 1, 4, 5), memory(2, { version: 3, updated_at: at(7) })],
      [closed(3, 1, 2, 8), memory(3, { version: 2, updated_at: at(7) })],
      [closed(4, 3, 2, 3), memory(4, { version: 3, updated_at: at(7) })],
    ]
    const { body } = await importOf(product(), ada, ndjson(cases.flat()))
    expect(body.errors.map((one: { line: number; pointer?: string }) => [one.line, one.pointer])).toEqual([
      [2, '/updated_at'],
      [5, '/version'],
      [7, undefined],
      [8, '/updated_at'],
      [9, '/version'],
    ])
    for (const day of [2, 3, 4, 5, 6, 7]) {
      const { items } = (await product().call(ada, 'POST', '/v1/memories/list', { as_of: at(day) })).body
      expect(new Set(items.map((one: { id: string }) => one.id)).size).toBe(items.length)
    }
  })

  test('an import that breaks off amid the versions of one memory leaves none of them, and the whole file heals it', async () => {
    const ada = await product().tenant()
    const lines = Array.from({ length: 620 }, (_, i) => version(9, i + 1, { updated_at: at(2), closed_at: at(2) }))
    async function* brokenOff() {
      yield Buffer.from(ndjson(lines))
      throw new Error('the client is gone')
    }
    await expect(importLines(product().ctx(ada), brokenOff(), { current: undefined } as never)).rejects.toThrow('the client is gone')
    expect(await rowCounts(product(), ada, ['memory_versions', 'closed_postings', 'memories'])).toEqual({ memory_versions: 0, closed_postings: 0, memories: 0 })
    const whole = await importOf(product(), ada, ndjson([...lines, memory(9, { version: 621, updated_at: at(3) })]))
    expect(whole.body).toMatchObject({ imported: 1, versions: 620, failed: 0 })
    expect((await product().call(ada, 'GET', `/v1/memories/${uuid(9)}`)).body.version).toBe(621)
  })
})
