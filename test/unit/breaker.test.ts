import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Breaker, type BreakerSettings, createBreakers, DependencyFailure } from '../../shared/breaker/index.ts'
import { AppError } from '../../shared/problem/index.ts'
import { createMetrics, setBreakers } from '../../shared/telemetry/index.ts'

const make = (more: Partial<BreakerSettings> = {}) => {
  const heard: string[] = []
  const breakers = createBreakers({ failures: 5, openMs: 60_000 }, ({ tenant = 'all', state }) => heard.push(`${tenant} ${state}`))
  return { breakers, breaker: breakers.of('embedder', more), heard }
}
const well = async () => 'done'
const fail = async (): Promise<never> => {
  throw new DependencyFailure('it is down')
}
const times = (count: number) => Array.from({ length: count }, (_, i) => i)
async function failing(breaker: Breaker, tenant: string | undefined, count: number): Promise<void> {
  for (const _ of times(count)) await expect(breaker.run(fail, { tenant })).rejects.toMatchObject({ code: 'unavailable' })
}
/** Whether the dependency is asked at all. */
async function isAsked(breaker: Breaker, tenant?: string): Promise<boolean> {
  let asked = false
  await breaker
    .run(
      async () => {
        asked = true
      },
      { tenant },
    )
    .catch(() => {})
  return asked
}

describe('whose failure it is', () => {
  test('what one tenant brings about opens for that tenant, and for nobody else', async () => {
    const { breaker, heard } = make()
    await failing(breaker, 'ada', 3)
    expect([breaker.state('ada'), breaker.state('bob'), breaker.state()]).toEqual(['open', 'closed', 'closed'])
    expect([await isAsked(breaker, 'ada'), await isAsked(breaker, 'bob')]).toEqual([false, true])
    expect(heard).toEqual(['ada open'])
  })

  test('however many calls of one tenant fail at once, and others of it after a success elsewhere', async () => {
    const { breaker } = make()
    for (const _ of times(3)) {
      await Promise.allSettled(times(20).map(() => breaker.run(fail, { tenant: 'ada' })))
      expect(breaker.state()).toBe('closed')
      expect(await isAsked(breaker, 'bob')).toBe(true)
    }
  })

  test('what fails for two tenants is down: five calls of all, and nobody else waits for it', async () => {
    const { breaker, heard } = make()
    await failing(breaker, 'ada', 3)
    await failing(breaker, 'bob', 2)
    expect(breaker.state()).toBe('open')
    expect(await Promise.all(['ada', 'bob', 'cleo', undefined].map((tenant) => isAsked(breaker, tenant)))).toEqual([false, false, false, false])
    await expect(breaker.run(well, { tenant: 'cleo' })).rejects.toThrow('The embedder fails (it is down), and is not asked for now.')
    expect(heard).toEqual(['ada open', 'all open'])
  })

  test('what the dependency answers counts for nothing, and passes as it is', async () => {
    const { breaker } = make()
    const refused = new AppError('invalid', 'no')
    for (const _ of times(50)) await expect(breaker.run(() => Promise.reject(refused), { tenant: 'ada' })).rejects.toBe(refused)
    await expect(breaker.run(() => Promise.reject(new TypeError('ours')))).rejects.toThrow(TypeError)
    expect([breaker.state('ada'), breaker.state()]).toEqual(['closed', 'closed'])
  })

  test('a caller who goes away is no failure', async () => {
    const { breaker } = make()
    for (const _ of times(10)) {
      const leaving = new AbortController()
      const call = breaker.run((signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new DependencyFailure('aborted')))), {
        tenant: 'ada',
        signal: leaving.signal,
      })
      leaving.abort(new Error('gone'))
      await expect(call).rejects.toThrow('gone')
    }
    expect(breaker.state('ada')).toBe('closed')
  })

  test('errors of a client that knows nothing of this count when the settings say so', async () => {
    const { breaker } = make({ fails: (error) => error instanceof RangeError })
    for (const _ of times(5)) await expect(breaker.run(() => Promise.reject(new RangeError('closed socket')))).rejects.toMatchObject({ code: 'unavailable' })
    expect(breaker.state()).toBe('open')
  })
})

describe('open and back', () => {
  test('after its time one call is let through while others are refused at once; its end decides', async () => {
    const { breaker, heard } = make({ openMs: 20 })
    await failing(breaker, undefined, 5)
    const answer = Promise.withResolvers<string>()
    const probes: Promise<string>[] = []
    await expect
      .poll(() => {
        if (breaker.state() !== 'half_open') probes.push(breaker.run(() => answer.promise))
        for (const probe of probes) probe.catch(() => {})
        return breaker.state()
      })
      .toBe('half_open')
    expect(await isAsked(breaker)).toBe(false)
    answer.reject(new DependencyFailure('still down'))
    await expect.poll(() => breaker.state()).toBe('open')
    await expect.poll(() => isAsked(breaker)).toBe(true)
    expect(breaker.state()).toBe('closed')
    expect(heard).toEqual(['all open', 'all half_open', 'all open', 'all half_open', 'all closed'])
  })

  test('the call that decides is not ended by its caller', async () => {
    const { breaker } = make({ openMs: 20, timeoutMs: 60_000 })
    await failing(breaker, undefined, 5)
    const answer = Promise.withResolvers<string>()
    const leaving = new AbortController()
    const calls: Promise<unknown>[] = []
    await expect
      .poll(() => {
        if (breaker.state() !== 'half_open') calls.push(breaker.run(() => answer.promise, { signal: leaving.signal }).catch((reason) => reason))
        return breaker.state()
      })
      .toBe('half_open')
    leaving.abort(new Error('gone'))
    expect(await calls.at(-1)).toEqual(new Error('gone'))
    expect(breaker.state()).toBe('half_open')
    answer.resolve('back')
    await expect.poll(() => breaker.state()).toBe('closed')
  })

  test('one that has no timeout here, such as an upload, is its caller’s to the end', async () => {
    const { breaker } = make({ openMs: 20 })
    await failing(breaker, undefined, 5)
    const leaving = new AbortController()
    const upload = (signal: AbortSignal) => new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))))
    const calls: Promise<unknown>[] = []
    await expect
      .poll(() => {
        if (breaker.state() !== 'half_open') calls.push(breaker.run(upload, { signal: leaving.signal }).catch((reason) => reason))
        return breaker.state()
      })
      .toBe('half_open')
    leaving.abort(new Error('gone'))
    expect(await calls.at(-1)).toEqual(new Error('gone'))
    await expect.poll(() => breaker.state()).not.toBe('half_open')
  })

  test('it stays open as long as the dependency asks for, up to a minute', async () => {
    const { breaker } = make({ openMs: 20 })
    for (const _ of times(5)) await breaker.run(() => Promise.reject(new DependencyFailure('slow down', { retryAfterMs: 3_600_000 }))).catch(() => {})
    const refused = await breaker.run(well).catch((error) => error)
    expect(refused.details.retryAfterSeconds).toBeGreaterThan(50)
    expect(refused.details.retryAfterSeconds).toBeLessThanOrEqual(60)
  })

  afterEach(() => vi.useRealTimers())
  test('a clock that steps back keeps nothing open', async () => {
    const { breaker } = make({ openMs: 20 })
    await failing(breaker, undefined, 5)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 86_400_000 })
    await expect.poll(() => isAsked(breaker)).toBe(true)
  })
})

describe('bounds', () => {
  test('a tenant has so many calls at once and as many times three in wait; others have theirs', async () => {
    const { breaker } = make({ concurrent: { tenant: 2, all: 8 } })
    const gate = Promise.withResolvers<string>()
    const calls = times(8).map(() => breaker.run(() => gate.promise, { tenant: 'ada' }))
    await expect(breaker.run(well, { tenant: 'ada' })).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('as many calls under way') })
    expect(await breaker.run(well, { tenant: 'bob' })).toBe('done')
    gate.resolve('done')
    expect(await Promise.all(calls)).toEqual(Array(8).fill('done'))
    expect([breaker.state('ada'), breaker.state()]).toEqual(['closed', 'closed'])
  })

  test('of many tenants that failed the last thousand are remembered', async () => {
    const { breaker } = make()
    for (const i of times(1_100)) {
      await failing(breaker, `t${i}`, 2)
      await breaker.run(well)
    }
    await failing(breaker, 't0', 1)
    expect(breaker.state('t0')).toBe('closed')
    await breaker.run(well)
    await failing(breaker, 't1099', 1)
    expect(breaker.state('t1099')).toBe('open')
  })

  test('in an outage ten tries are made again and then none, whoever calls', async () => {
    const { breaker } = make({ failures: 1_000, retries: 2 })
    let tries = 0
    const down = async () => {
      tries += 1
      throw new DependencyFailure('down', { again: true, retryAfterMs: 0 })
    }
    for (const i of times(30)) await breaker.run(down, { tenant: `t${i}` }).catch(() => {})
    expect(tries).toBe(30 + 6)
  })

  test('where every third try fails all calls are answered, and nothing opens', async () => {
    const { breaker, heard } = make({ retries: 2 })
    let tries = 0
    const flaky = async () => {
      tries += 1
      if (tries % 3 === 0) throw new DependencyFailure('now and then', { again: true })
      return 'done'
    }
    for (const i of times(20)) expect(await breaker.run(flaky, { tenant: `t${i % 2}` })).toBe('done')
    expect({ tries, heard }).toEqual({ tries: 29, heard: [] })
  })
})

test('the gauges have a line for each state; above a thousand tenants the worst keep theirs, and the others are one', async () => {
  const { breakers, breaker } = make()
  await failing(breaker, 'ada', 3)
  const metrics = createMetrics()
  const lines = async () => (await metrics.text()).split('\n').filter((line) => /breaker_state\{/.test(line))
  setBreakers(metrics, breakers.states())
  const expected = (name: string, state: string) => ['closed', 'half_open', 'open'].map((one) => `${name},state="${one}"} ${Number(one === state)}`)
  expect(await lines()).toEqual([
    ...expected('circuit_breaker_state{tenant="default"', 'closed'),
    ...expected('circuit_breaker_state{tenant="ada"', 'open'),
    ...expected('dependency_breaker_state{dependency="embedder"', 'closed'),
  ])
  await failing(breaker, 'bob', 2)
  for (const i of times(1_500)) await isAsked(breaker, `t${i}`)
  setBreakers(metrics, breakers.states())
  const shown = await lines()
  expect(shown).toHaveLength(3 * 1002)
  for (const line of ['tenant="default",state="open"', 'tenant="ada",state="open"', 'tenant="other",state="open"', 'dependency="embedder",state="open"'])
    expect(shown.filter((one) => one.includes(line)).map((one) => one.at(-1))).toEqual(['1'])
})
