import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a client was told of a memory of its own, and so may rely on. */
export type Told = { id: string; version: number; text: string; forgotten: boolean }
export type Ledger = {
  memories: Told[]
  /** Answered stores and changes: as many versions there must be. */
  writes: number
  forgets: number
  /** Answers that contradict earlier ones. */
  contradictions: string[]
  /** How often a request was made, and how often it had to be made again. */
  requests: number
  retries: number
}
export type Door = { write: string; read: string; token: string }

export const emptyLedger = (): Ledger => ({ memories: [], writes: 0, forgets: 0, contradictions: [], requests: 0, retries: 0 })

const requestMs = 15_000
type Answer = { status: number; body: Record<string, unknown> }

/**
 * One client: stores, changes, forgets and reads memories that only it knows, one request after the other. A request without an answer is made again
 * with the same Idempotency-Key until it has one; so each answer must follow from those before it.
 */
export async function client(door: Door, name: string, ledger: Ledger, signal: AbortSignal): Promise<void> {
  const own: Told[] = []
  for (let n = 0; !signal.aborted; n++) {
    const luck = Math.random()
    const known = own.filter((one) => !one.forgotten)
    const one = known[Math.floor(Math.random() * known.length)]
    if (!one || luck < 0.5) await storeSome(luck < 0.1 ? 8 : 1, n)
    else if (luck < 0.75) await change(one, n)
    else if (luck < 0.8) await forget(one)
    else await look(one)
  }

  async function storeSome(many: number, n: number): Promise<void> {
    const texts = Array.from({ length: many }, (_, i) => `client ${name} note ${n} part ${i}`)
    const single = many === 1
    const { body } = await send('POST', `${door.write}/v1/memories${single ? '' : '/bulk'}`, single ? { text: texts[0] } : { items: texts.map((text) => ({ text })) })
    const results = (single ? [body] : body.results) as { id: string; version: number }[]
    for (const [i, { id, version }] of results.entries()) {
      const told = { id, version, text: texts[i] as string, forgotten: false }
      if (version !== 1) ledger.contradictions.push(`a new memory has version ${version}`)
      ledger.writes += 1
      own.push(told)
      ledger.memories.push(told)
    }
  }

  async function change(one: Told, n: number): Promise<void> {
    const text = `client ${name} note ${n} again`
    const { body } = await send('PATCH', `${door.read}/v1/memories/${one.id}`, { text })
    if (body.version !== one.version + 1) ledger.contradictions.push(`version ${body.version} was answered after ${one.version}`)
    ledger.writes += 1
    Object.assign(one, { version: body.version, text })
  }

  async function forget(one: Told): Promise<void> {
    await send('DELETE', `${door.read}/v1/memories/${one.id}`, undefined, [204])
    one.forgotten = true
    ledger.forgets += 1
  }

  async function look(one: Told): Promise<void> {
    const { body } = await send('GET', `${door.read}/v1/memories/${one.id}`, undefined)
    if (body.version !== one.version || body.text !== one.text) ledger.contradictions.push(`version ${body.version} is read after ${one.version} was answered`)
  }

  /** Until it is answered; the run's end waits for that too. */
  async function send(method: string, url: string, body: unknown, good = [200, 201]): Promise<Answer> {
    const headers = { authorization: `Bearer ${door.token}`, 'content-type': 'application/json', ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }) }
    for (let tries = 0; ; tries++) {
      ledger.requests += 1
      if (tries > 0) ledger.retries += 1
      const answer = await once(method, url, headers, body)
      if (answer && good.includes(answer.status)) return answer
      // nobody is there, or what it needs is not: an answer that says something else is a fault
      if (answer && ![409, 500, 503, 504].includes(answer.status)) throw new Error(`${method} ${new URL(url).pathname} answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      if (answer?.status === 500) ledger.contradictions.push(`${method} answered 500`)
      if (answer?.status === 409 && answer.body.code !== 'idempotency_in_progress') throw new Error(`${method} answered ${JSON.stringify(answer.body)}`)
      await sleep(50 + Math.random() * 150)
    }
  }
}

async function once(method: string, url: string, headers: Record<string, string>, body: unknown): Promise<Answer | undefined> {
  try {
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }), signal: AbortSignal.timeout(requestMs) })
    const text = await answer.text()
    return { status: answer.status, body: text ? JSON.parse(text) : {} }
  } catch {
    // refused, cut off or late: it may have been done
    return undefined
  }
}
