import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RunningPostgres } from '../../local/services/postgres.ts'
import { openDurable } from '../support/durable.ts'
import { asAdmin, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { passTime } from './admin.ts'

describe.skipIf(!requireService('POSTGRES_URL'))('a restart of Postgres', () => {
  let server: RunningPostgres
  let product: Product
  const ending: (() => Promise<void>)[] = []
  beforeAll(async () => {
    const opened = await openDurable()
    server = opened.postgres
    product = opened.product
    ending.push(opened.close)
  })
  afterAll(async () => {
    for (const end of ending.reverse()) await end()
  })

  test.each(['fast', 'immediate'] as const)(
    '(%s) is a 503 with Retry-After or nothing at all to who stores meanwhile; what was answered is there once, without a restart of ours',
    async (mode) => {
      const caller = await product.tenant()
      const answered = new Map<string, string>()
      const statuses = new Set<number>()
      let restarted = false
      const client = async (name: number) => {
        // a few more after it is back: each of them must go through
        for (let i = 0, after = 0; after < 5; i++) {
          if (restarted) after += 1
          const key = `${mode}-${name}-${i}`
          for (let done = false; !done; ) {
            const { status, headers, body } = await product.call(caller, 'POST', '/v1/memories', { text: key }, { 'Idempotency-Key': key })
            statuses.add(status)
            done = status === 201
            if (done) answered.set(key, body.id)
            else expect({ status, retry: Number(headers.get('retry-after')) > 0 }, JSON.stringify(body)).toEqual({ status: 503, retry: true })
          }
        }
      }
      const clients = Array.from({ length: 8 }, (_, name) => client(name))
      await expect.poll(() => answered.size, { timeout: 20_000 }).toBeGreaterThan(100)
      await server.restart(mode)
      restarted = true
      await Promise.all(clients)
      expect([...statuses].sort()).toEqual([201, 503])
      const stored = await asAdmin(product.adminUrl as string, (admin) =>
        admin.query<{ id: string; text: string }>('select m.id, m.text from memories m where m.tenant_id = $1', [caller.tenantId]),
      )
      expect(new Map(stored.rows.map(({ id, text }) => [text, id]))).toEqual(answered)
      expect(stored.rowCount).toBe(answered.size)
      // what a drain had leased when its connection was cut is due again when the lease ends
      await passTime(product, caller)
      await product.settle()
      const events = await asAdmin(product.adminUrl as string, (admin) => admin.query('select from memory_events e where e.tenant_id = $1', [caller.tenantId]))
      expect(events.rowCount).toBe(answered.size)
    },
  )
})
