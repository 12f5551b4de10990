import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Check, check } from './checks.ts'
import type { Connection } from './connect.ts'
import type { Ask } from './preflight.ts'

const namespace = 'preflight'
const patienceMs = 60_000
const lookMs = 250

/** One memory on the whole way: stored, recalled, published and indexed, forgotten. It is forgotten too when something in between failed. */
export async function roundTripChecks({ client, local }: Connection, ask: Ask): Promise<Check[]> {
  const word = `preflight${randomBytes(8).toString('hex')}`
  let id = ''
  const steps = [
    () =>
      check('store', async () => {
        const stored = await client.store({ text: `A memory of preflight: ${word}.`, namespace, ttl_seconds: 3600 })
        if ('operation' in stored) throw new Error('The server cannot reach its database and keeps it in its journal')
        id = stored.id
        return 'One memory is stored.'
      }),
    () =>
      check('recall', async () => {
        const { results } = await client.recall({ query: word, namespace, top_k: 1 })
        if (results[0]?.id !== id) throw new Error('The memory that was just stored is not found')
        return 'It is found by its words at once.'
      }),
    () =>
      check(
        'outbox',
        async () => {
          await local?.runJob('drain-outbox')
          const indexed = await waitUntil(async () => (await client.get(id)).index_state === 'indexed')
          if (!indexed) throw new Error(`It was not indexed within ${patienceMs / 1000} s`)
          return 'Its event is published and its vector indexed.'
        },
        'Start a worker: `npx soma worker drain-outbox`, or look at the log of the one that runs.',
      ),
  ]
  const done: Check[] = []
  for (const step of steps) {
    done.push(await step())
    if (!done.at(-1)?.ok) break
  }
  if (id) done.push(await forget(id, ask))
  // the tombstone's event must not wait for the next process
  await local?.runJob('drain-outbox').catch(() => undefined)
  return done
}

function forget(id: string, ask: Ask): Promise<Check> {
  return check('forget', async () => {
    const gone = await ask('DELETE', `/v1/memories/${id}`)
    if (gone.status !== 204) throw new Error(`The memory could not be forgotten (${gone.status}); it expires in an hour`)
    const { status } = await ask('GET', `/v1/memories/${id}`)
    if (status !== 404) throw new Error(`The forgotten memory still answers (${status})`)
    return 'It is forgotten again.'
  })
}

async function waitUntil(holds: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
    if (await holds()) return true
    await sleep(lookMs)
  }
  return false
}
