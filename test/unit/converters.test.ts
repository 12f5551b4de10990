import { describe, expect, test } from 'vitest'
import { type ConvertOptions, convertFile, readLines, type Source } from '../../shared/transfer/index.ts'
import { LinkLine, MemoryLine } from '../../shared/transfer/line.ts'

// biome-ignore lint/suspicious/noExplicitAny: lines of many shapes
type Converted = { record: number; lines: any[]; problem?: string }
async function convert(source: Source, file: string, options: ConvertOptions = {}): Promise<Converted[]> {
  const found: Converted[] = []
  const bytes = (async function* () {
    yield Buffer.from(file)
  })()
  for await (const one of convertFile(source, readLines(bytes), options)) found.push({ lines: [], ...one })
  for (const { lines } of found) for (const line of lines) (line.kind === 'link' ? LinkLine : MemoryLine).parse(line)
  return found
}
const linesOf = (found: Converted[]) => found.flatMap((one) => one.lines)
const problemsOf = (found: Converted[]) => found.filter((one) => one.problem).map((one) => [one.record, one.problem])

describe('mem0', () => {
  const memory = {
    id: '4f6a7c1e-8a5b-4d2e-9b1f-0c3d5e7f9a1b',
    memory: 'Ada prefers tea',
    hash: '9c1185a5c5e9fc54612808977ee8f548',
    metadata: { mood: 'calm' },
    created_at: '2024-07-26T10:29:36.630547-07:00',
    updated_at: null,
    user_id: 'ada',
    agent_id: null,
    run_id: 'r1',
    categories: ['drinks', 'habits', 'drinks'],
    expiration_date: '2999-01-01',
    immutable: false,
  }

  test('a memory keeps its text, scopes, categories and times, and its own id in the metadata', async () => {
    const [line] = linesOf(await convert('mem0', JSON.stringify({ results: [memory] })))
    expect(line).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      namespace: 'default',
      text: 'Ada prefers tea',
      memory_type: 'semantic',
      user_id: 'ada',
      run_id: 'r1',
      metadata: { mood: 'calm', immutable: false, mem0_id: memory.id },
      tags: ['drinks', 'habits'],
      expires_at: '2999-01-01T00:00:00.000Z',
      created_at: '2024-07-26T17:29:36.630Z',
      updated_at: '2024-07-26T17:29:36.630Z',
    })
  })

  test('a document with results or memories, indented or not, a bare list and a memory a line say the same', async () => {
    const second = { ...memory, id: 'another' }
    const files = [
      JSON.stringify({ results: [memory, second], relations: [] }),
      JSON.stringify({ memories: [memory, second] }, null, 2),
      JSON.stringify([memory, second], null, 2),
      JSON.stringify([memory, second]),
      `${JSON.stringify(memory)}\n${JSON.stringify(second)}\n`,
    ]
    const [first, ...others] = await Promise.all(files.map((file) => convert('mem0', file)))
    expect(linesOf(first as Converted[])).toHaveLength(2)
    for (const other of others) expect(linesOf(other)).toEqual(linesOf(first as Converted[]))
  })

  test('the same memory gives the same id, in another namespace or for another user another one', async () => {
    const { user_id: _user, ...nobodys } = memory
    const id = async (options?: ConvertOptions) => linesOf(await convert('mem0', JSON.stringify([nobodys]), options))[0].id
    const ids = await Promise.all([id(), id(), id({ namespace: 'other' }), id({ user_id: 'eve' })])
    expect(ids[0]).toBe(ids[1])
    expect(new Set(ids).size).toBe(3)
  })

  test('a record that is no memory is named with its place', async () => {
    const found = await convert('mem0', JSON.stringify([memory, 7, { id: 'x' }, { ...memory, created_at: 'yesterday' }, { ...memory, metadata: 'm' }]))
    expect(problemsOf(found)).toEqual([
      [2, 'is not a JSON object'],
      [3, '"memory" must be a text'],
      [4, '"created_at" must be a time: RFC 3339, or epoch seconds'],
      [5, '"metadata" must be an object'],
    ])
    expect(problemsOf(await convert('mem0', '{"results": [\n'))).toEqual([[1, 'is neither one record a line nor a JSON document with a list (results, memories)']])
  })
})

describe('langgraph', () => {
  const row = {
    prefix: 'memories.ada',
    key: 'k1',
    value: { content: 'Ada lives in Porto', kind: 'fact', n: 1 },
    created_at: '2025-03-01T12:00:00.123456+00:00',
    updated_at: '2025-03-02 12:00:00.5+00',
    expires_at: '2999-03-02T12:00:00+01:00',
    ttl_minutes: 60,
  }

  test('a row of the table keeps its prefix as the namespace, its value and its times', async () => {
    const nested = { ...row, key: 'k2', value: { a: { b: ['one', { c: 'two' }] } }, expires_at: null, ttl_minutes: null }
    const lines = linesOf(await convert('langgraph', `${JSON.stringify(row)}\n${JSON.stringify(nested)}\n`))
    expect(lines[0]).toEqual({
      id: expect.any(String),
      namespace: 'memories.ada',
      text: 'Ada lives in Porto',
      payload: row.value,
      memory_type: 'semantic',
      metadata: { langgraph_prefix: 'memories.ada', langgraph_key: 'k1' },
      expires_at: '2999-03-02T11:00:00.000Z',
      created_at: '2025-03-01T12:00:00.123Z',
      updated_at: '2025-03-02T12:00:00.500Z',
    })
    expect(lines[1]).toMatchObject({ text: 'one\ntwo', payload: { a: { b: ['one', { c: 'two' }] } } })
    expect(lines[1].id).not.toBe(lines[0].id)
    expect(linesOf(await convert('langgraph', JSON.stringify([row, nested])))).toEqual(lines)
  })

  test('rows without a prefix, key or object are named', async () => {
    const file = [
      { ...row, prefix: '' },
      { ...row, key: 1 },
      { ...row, value: 'text' },
    ]
      .map((one) => JSON.stringify(one))
      .join('\n')
    expect(problemsOf(await convert('langgraph', file))).toEqual([
      [1, '"prefix" must be a text'],
      [2, '"key" must be a text'],
      [3, '"value" must be an object'],
    ])
  })
})

describe('guide', () => {
  test('a value stands at its coordinate, which may be numbers or text; its time may be epoch seconds or RFC 3339', async () => {
    const file = [
      { coordinate: [1, 2.5, -0], payload: { text: 'at the pier', tags: ['x'] }, memory_type: 'semantic', timestamp: 1700000000.5 },
      { coordinate: '1.0, 2', fact: 'at the depot', n: 3, timestamp: '2024-01-01T00:00:00Z', importance: 99 },
    ]
    const lines = linesOf(await convert('guide', file.map((one) => JSON.stringify(one)).join('\n')))
    expect(lines).toMatchObject([
      { coord: '1,2.5,0', text: 'at the pier\nx', payload: { text: 'at the pier', tags: ['x'] }, memory_type: 'semantic', occurred_at: '2023-11-14T22:13:20.500Z' },
      { coord: '1,2', text: 'at the depot', payload: { fact: 'at the depot', n: 3 }, memory_type: 'episodic', created_at: '2024-01-01T00:00:00.000Z', importance: 10 },
    ])
  })

  test('what has no place, or a type that is none, is named', async () => {
    const file = [{ payload: {} }, { coordinate: ['a'] }, { coordinate: '1', memory_type: 'other' }, { coordinate: '1', payload: 'x' }, { coordinate: '1', timestamp: 'noon' }]
    expect(problemsOf(await convert('guide', file.map((one) => JSON.stringify(one)).join('\n'))).map(([, problem]) => problem)).toEqual([
      '"coordinate" must be a list of 1 to 64 finite numbers, or such a text',
      '"coordinate" must be a list of 1 to 64 finite numbers, or such a text',
      '"memory_type" must be one of episodic, semantic, procedural',
      '"payload" must be an object',
      '"timestamp" must be a time: RFC 3339, or epoch seconds',
    ])
  })
})

describe('mcp', () => {
  const file = [
    { type: 'relation', from: 'Ada', to: 'Porto', relationType: 'lives in' },
    { type: 'entity', name: 'Ada', entityType: 'person', observations: ['drinks tea', 'likes maps'] },
    { type: 'entity', name: 'Porto', entityType: 'city', observations: [] },
  ]

  test('entities are memories of what was observed, relations links between them, which come last', async () => {
    const [ada, porto, link] = linesOf(await convert('mcp', file.map((one) => JSON.stringify(one)).join('\n')))
    expect(ada).toMatchObject({ text: 'Ada (person)\ndrinks tea\nlikes maps', payload: { name: 'Ada', entityType: 'person' }, metadata: { entity_type: 'person' } })
    expect(porto).toMatchObject({ text: 'Porto (city)' })
    expect(link).toEqual({ kind: 'link', id: expect.any(String), from: ada.id, to: porto.id, type: 'lives in' })
  })

  test('lines of another kind are named by their number, and cost no other', async () => {
    const found = await convert(
      'mcp',
      `${JSON.stringify(file[1])}\nnope\n{"type":"event"}\n{"type":"entity","name":"x","entityType":"y","observations":[1]}\n${JSON.stringify(file[2])}`,
    )
    expect(problemsOf(found)).toEqual([
      [2, 'is not JSON'],
      [3, '"type" must be "entity" or "relation"'],
      [4, '"observations" must be a list of texts'],
    ])
    expect(linesOf(found)).toHaveLength(2)
  })
})
