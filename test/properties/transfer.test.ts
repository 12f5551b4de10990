import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { everything, exportText, hashOf, importOf, type Line, link, ndjson, parse, uuid } from '../support/transfer.ts'

const numRuns = process.env.SOMA_FULL === '1' ? 150 : 20

/** Anything that may be stored: no NUL, no half of a pair. */
const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).map((text) => `${text.replaceAll('\0', '')}.`)
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((text) => `${text.replaceAll('\0', '')}_`)
const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }).map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '')))
const object = fc.dictionary(name, json, { maxKeys: 4, noNullPrototype: true })
const at = (from: number, to: number) => fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true }).map((date) => date.toISOString())
const anyTime = at(Date.UTC(1, 0, 1), Date.UTC(9999, 11, 31))
const past = at(Date.UTC(1990, 0, 1), Date.UTC(2020, 0, 1))
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null })

const content = fc.record({
  namespace: fc.constantFrom('default', 'a', 'ä b'),
  memory_type: fc.constantFrom('episodic', 'semantic', 'procedural'),
  text: anyText,
  payload: orNull(object),
  messages: orNull(fc.array(fc.record({ role: name, content: anyText }), { minLength: 1, maxLength: 3 })),
  user_id: orNull(name),
  agent_id: orNull(name),
  app_id: orNull(name),
  run_id: orNull(name),
  session_id: orNull(name),
  speaker: orNull(name),
  language: orNull(fc.constantFrom('en', 'de', 'ja')),
  metadata: object,
  tags: fc.array(name, { maxLength: 4 }),
  importance: fc.double({ min: 0, max: 10, noNaN: true }).map((number) => (number === 0 ? 0 : number)),
  occurred_at: orNull(anyTime),
  valid_from: orNull(anyTime),
  expires_at: orNull(at(Date.UTC(2100, 0, 1), Date.UTC(9999, 11, 31))),
  supersedes: orNull(fc.uuid()),
})

/** A memory with its past, as an export writes them: in the order of the names there. */
const memory = (n: number) =>
  fc
    .record({ versions: fc.array(content, { minLength: 1, maxLength: 4 }), times: fc.array(past, { minLength: 6, maxLength: 6 }), coord: orNull(fc.constant(String(n))) })
    .map(({ versions, times, coord }): Line[] => {
      const sorted = times.toSorted()
      return versions.map((one, index): Line => {
        const { namespace, memory_type, ...rest } = one
        const line = { id: uuid(n), version: index + 1, namespace, coord, memory_type, ...rest, valid_to: null }
        const { supersedes, ...before } = line
        const last = index === versions.length - 1
        const whole = { ...before, supersedes, superseded_by: null, created_at: sorted[0], updated_at: sorted[index + 1] }
        return last ? whole : { kind: 'version', ...whole, state: 'closed', closed_at: sorted[index + 2] }
      })
    })

const file = fc
  .integer({ min: 1, max: 12 })
  .chain((count) => fc.tuple(fc.tuple(...Array.from({ length: count }, (_, n) => memory(n + 1))), fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1), name), { maxLength: 5 })))
  .map(([memories, ends]): Line[] => {
    const types = new Set<string>()
    const fresh = ends.filter(([from, to, type]) => from !== to && !types.has(JSON.stringify([from, to, type])) && types.add(JSON.stringify([from, to, type])))
    return [...memories.flat(), ...fresh.map(([from, to, type], n) => link(900 + n, from + 1, to + 1, { type, weight: 0.5 + n }))]
  })

describeEngines('any file of memories, versions and links', (product) => {
  test('is imported as it is, exported as it was, and known when it comes again', async () => {
    await fc.assert(
      fc.asyncProperty(file, async (lines) => {
        const caller = await product().tenant()
        const imported = await importOf(product(), caller, lines)
        expect(imported.body).toMatchObject({ lines: lines.length, failed: 0, duplicate: 0 })
        const text = await exportText(product(), caller, everything)
        // jsonb has an order of names of its own: compared as values, and by the hash, which does not depend on it
        expect(parse(text)).toEqual(lines)
        expect(hashOf(parse(text))).toBe(hashOf(lines))
        expect((await importOf(product(), caller, text)).body).toMatchObject({ duplicate: lines.length, failed: 0 })
        const other = await product().tenant()
        await importOf(product(), other, ndjson(parse(text)))
        expect(await exportText(product(), other, everything)).toBe(text)
      }),
      { numRuns },
    )
  })
})
