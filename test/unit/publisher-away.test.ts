import { expect, test } from 'vitest'
import { createBreakers } from '../../shared/breaker/index.ts'
import { breakingPublisher, invokingPublisher, type Publisher } from '../../shared/bus/index.ts'
import type { EventRecord, RecordFailure } from '../../shared/handler/index.ts'
import { applyRecords } from '../../shared/host/records.ts'

const records: EventRecord[] = ['a', 'b', 'c'].map((key) => ({ topic: 'memory.events', key, value: '{}', headers: { 'tenant-id': 'ada' } }))

test('that a consumer is away comes over the wire of an invocation as it is', async () => {
  const handler = async (): Promise<RecordFailure[]> => [
    { index: 0, poison: false, away: true, error: new Error('the embedder is away') },
    { index: 2, poison: true, error: new Error('never') },
  ]
  const overTheWire = async (_name: string, payload: unknown) => JSON.parse(JSON.stringify(await applyRecords(handler, JSON.parse(JSON.stringify(payload)))))
  const publisher = invokingPublisher(overTheWire, [{ name: 'index-vectors', topic: 'memory.events', functionName: 'f', batchSize: 10 }])
  expect(await publisher.publish(records)).toMatchObject([
    { away: true, poison: false, error: { message: 'index-vectors: the embedder is away' } },
    null,
    { away: false, poison: true },
  ])
})

test('what a broker has acknowledged stays so, while the rest is away and counts; what it refuses of a record counts for nothing', async () => {
  let asked = 0
  let answers: (RecordFailure | null)[] = []
  const broker: Publisher = {
    name: 'kafka',
    async publish() {
      asked += 1
      return answers
    },
  }
  const breaker = createBreakers({ failures: 5, openMs: 60_000 }, () => {}).of('broker')
  const publisher = breakingPublisher(broker, breaker)
  answers = [null, { index: 1, poison: true, error: new Error('too large') }, null]
  for (let i = 0; i < 5; i++) expect(await publisher.publish(records)).toBe(answers)
  expect(breaker.state('ada')).toBe('closed')
  answers = [null, { index: 1, poison: false, away: true, error: new Error('no leader') }, null]
  for (let i = 0; i < 3; i++) expect(await publisher.publish(records)).toBe(answers)
  asked = 0
  expect(await publisher.publish(records)).toMatchObject(
    [0, 1, 2].map((index) => ({ index, away: true, poison: false, error: { message: 'The broker fails (no leader), and is not asked for now.' } })),
  )
  expect(asked).toBe(0)
})
