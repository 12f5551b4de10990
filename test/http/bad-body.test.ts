import { expect, test } from 'vitest'
import { operations } from '../../shared/http/index.ts'
import type { ProblemCode } from '../../shared/problem/index.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { expectNothingWritten, expectProblem, systemKey } from './checks.ts'

const mebibyte = 1024 * 1024
const text = (value: string) => `{"text":"${value}"}`
const deep = (levels: number) => `{"text":"x","payload":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`

/** A body of this many bytes whose length nobody announces. */
function chunked(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes
  return new ReadableStream({
    pull(controller) {
      const size = Math.min(left, 64 * 1024)
      if (size) controller.enqueue(new Uint8Array(size).fill(32))
      else controller.close()
      left -= size
    },
  })
}

/** What no endpoint that reads a body may take: the name of the case, the body, the code, the pointer, more headers. */
const bodies: [string, () => unknown, ProblemCode, string?, Record<string, string>?][] = [
  ['half a document', () => '{"text":', 'malformed'],
  ['no JSON at all', () => 'text=hello', 'malformed'],
  ['an empty body', () => '', 'malformed'],
  ['NaN', () => '{"text":NaN}', 'malformed'],
  ['a comment', () => '{"text":"x"} // y', 'malformed'],
  ['a raw line break in a string', () => '{"text":"a\nb"}', 'malformed'],
  ['bytes that are not UTF-8', () => new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 'malformed'],
  ['an overlong encoding', () => new Uint8Array([...Buffer.from('{"text":"'), 0xc0, 0xaf, ...Buffer.from('"}')]), 'malformed'],
  ['UTF-16', () => new Uint8Array(Buffer.from(text('x'), 'utf16le')), 'malformed'],
  ['a form', () => text('x'), 'unsupported_media_type', undefined, { 'content-type': 'application/x-www-form-urlencoded' }],
  ['plain text', () => text('x'), 'unsupported_media_type', undefined, { 'content-type': 'text/plain' }],
  ['a type that only begins like JSON', () => text('x'), 'unsupported_media_type', undefined, { 'content-type': 'application/jsonp' }],
  ['no content type', () => text('x'), 'unsupported_media_type', undefined, { 'content-type': '' }],
  ['null', () => 'null', 'invalid'],
  ['a list', () => '[]', 'invalid'],
  ['a number', () => '1', 'invalid'],
  ['a NUL character', () => text('a\\u0000b'), 'invalid', '/text'],
  ['a NUL character in a name', () => '{"text":"x","payload":{"a\\u0000b":1}}', 'invalid', '/payload/ab'],
  ['half of a surrogate pair', () => text('a\\ud83d'), 'invalid', '/text'],
  ['the other half', () => text('\\ude00a'), 'invalid', '/text'],
  ['half of a surrogate pair in a name', () => '{"text":"x","payload":{"a\\ud83d":1}}', 'invalid', '/payload/a\ufffd'],
  ['half of a surrogate pair far inside', () => '{"payload":{"list":[{"b":["\\udc00"]}]}}', 'invalid', '/payload/list/0/b/0'],
  ['a number beyond a double', () => '{"text":"x","payload":{"n":1e400}}', 'invalid', '/payload/n'],
  ['a negative number beyond a double', () => '{"text":"x","importance":-1e999}', 'invalid', '/importance'],
  ['nesting 100 deep', () => deep(100), 'invalid'],
  ['nesting 100,000 deep', () => deep(100_000), 'invalid'],
  ['lists 100,000 deep', () => `{"text":"x","payload":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`, 'invalid'],
  ['a filter 100,000 deep', () => `{"query":"x","filters":${'{"NOT":'.repeat(100_000)}{}${'}'.repeat(100_000)}}`, 'invalid'],
  ['6 MiB with a content length', () => text('x'.repeat(6 * mebibyte)), 'too_large', undefined, { 'content-length': String(6 * mebibyte + 11) }],
  ['6 MiB in chunks without an announced length', () => chunked(6 * mebibyte), 'too_large'],
  ['6 MiB under a content length that lies', () => chunked(6 * mebibyte), 'too_large', undefined, { 'content-length': '10' }],
]

describeEngines('bodies that cannot be read', (product) => {
  const reading = operations.filter((operation) => operation.body && !operation.bodyType)
  const pathOf = (path: string, id: string) => path.replace(':id', id).replace(':name', 'nobody')

  async function callers(): Promise<{ memory: Caller; platform: Caller; id: string }> {
    const memory = await product().tenant()
    const platform = await systemKey(product())
    const { body } = await product().call(memory, 'POST', '/v1/memories', { text: 'the only memory' })
    return { memory, platform, id: body.id }
  }

  test.each(bodies)('%s is refused by every operation with the right problem, and writes nothing', async (_name, body, code, pointer, headers) => {
    const { memory, platform, id } = await callers()
    await expectNothingWritten(product(), async () => {
      for (const operation of reading) {
        const caller = /^\/v1\/(tenants|keys)/.test(operation.path) ? platform : memory
        const answer = await product().call(caller, operation.method, pathOf(operation.path, id), body(), headers)
        // keys, tenants and the outbox take small things: their bodies end at 64 KiB
        const tooLarge = /^\/v1\/(tenants|keys|outbox)/.test(operation.path) && String(body()).length > 64 * 1024
        expectProblem(answer, tooLarge ? 'too_large' : code, tooLarge ? undefined : pointer)
      }
    })
  })

  test('a body of 5 MiB less a little is read, and each byte beyond 5 MiB is refused', async () => {
    const { memory } = await callers()
    const exactly = (bytes: number) => `{"items":[{"text":"x"}]}${' '.repeat(bytes - 24)}`
    expect((await product().call(memory, 'POST', '/v1/memories/bulk', exactly(5 * mebibyte))).status).toBe(200)
    expectProblem(await product().call(memory, 'POST', '/v1/memories/bulk', exactly(5 * mebibyte + 1)), 'too_large')
  })

  test('a BOM, an escaped surrogate pair, any JSON media type and a charset are read as JSON', async () => {
    const { memory } = await callers()
    for (const [body, type] of [
      ['\ufeff{"text":"x"}', 'application/json'],
      ['{"text":"\\ud83d\\ude00"}', 'application/json; charset=utf-8'],
      ['{"text":"x"}', 'application/vnd.api+json'],
      ['{"text":"x"}', 'APPLICATION/JSON'],
    ] as const) {
      const answer = await product().call(memory, 'POST', '/v1/memories', body, { 'content-type': type })
      expect(answer.status, `${type} ${answer.text}`).toBe(201)
    }
  })
})
