import { describe, expect, test } from 'vitest'
import { createTurns, type Turns } from '../../shared/limit/index.ts'

const forever = new AbortController().signal
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Requests of a tenant that have begun, in their order; `end` ends the first of them. */
function asking(turns: Turns, tenant: number, n: number) {
  const begun: { request: number; end: () => void }[] = []
  const waits = Array.from({ length: n }, (_, request) => turns.take(tenant, forever).then((end) => begun.push({ request, end })))
  return {
    begun,
    all: Promise.all(waits),
    async end() {
      begun.shift()?.end()
      await settled()
    },
  }
}

describe('turns', () => {
  test('a tenant who is alone has all of it, and the rest waits in its order', async () => {
    const alone = asking(createTurns(10), 1, 14)
    await settled()
    expect(alone.begun.map(({ request }) => request)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    await alone.end()
    await alone.end()
    expect(alone.begun.map(({ request }) => request)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  test('what one tenant sends at once does not keep another waiting, and shrinks to its share as it ends', async () => {
    const turns = createTurns(10)
    const burst = asking(turns, 1, 30)
    await settled()
    const other = asking(turns, 2, 5)
    await settled()
    expect(other.begun.length).toBe(5)
    for (let ended = 0; ended < 5; ended++) await burst.end()
    expect(burst.begun.length).toBe(5)
    await burst.end()
    expect(burst.begun.map(({ request }) => request)).toEqual([6, 7, 8, 9, 10])
  })

  test('of however many tenants each has two, so that a slow request does not hold up the others of its own', async () => {
    const turns = createTurns(10)
    const tenants = Array.from({ length: 40 }, (_, tenant) => asking(turns, tenant, 1))
    const last = asking(turns, 99, 3)
    await settled()
    expect(tenants.every(({ begun }) => begun.length === 1)).toBe(true)
    expect(last.begun.length).toBe(2)
  })

  test('whoever is quiet for a second leaves its share to the others', async () => {
    let clock = 0
    const turns = createTurns(10, () => clock)
    const quiet = asking(turns, 2, 1)
    await settled()
    const busy = asking(turns, 1, 20)
    await settled()
    expect(busy.begun.length).toBe(5)
    await quiet.end()
    clock = 900
    await busy.end()
    expect(busy.begun.length).toBe(5)
    clock = 2_000
    await busy.end()
    expect(busy.begun.length).toBe(10)
  })

  test('a caller who goes away leaves the queue, and one beyond 500 is told to come back', async () => {
    const turns = createTurns(1)
    const running = asking(turns, 1, 2)
    await settled()
    const gone = new AbortController()
    const leaving = turns.take(1, gone.signal)
    const waiting = asking(turns, 1, 499)
    await expect(turns.take(1, forever)).rejects.toMatchObject({ code: 'unavailable', details: { retryAfterSeconds: 1 } })
    gone.abort(new Error('gone'))
    await expect(leaving).rejects.toThrow('gone')
    await expect(turns.take(1, gone.signal)).rejects.toThrow('gone')
    await running.end()
    expect(waiting.begun.map(({ request }) => request)).toEqual([0])
  })

  test('a turn is given back once, however often its end is told', async () => {
    const turns = createTurns(2)
    const mine = asking(turns, 1, 5)
    await settled()
    const [first] = mine.begun
    first?.end()
    first?.end()
    await settled()
    expect(mine.begun.length).toBe(3)
  })
})
