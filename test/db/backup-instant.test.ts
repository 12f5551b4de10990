import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { backUp, restore } from '../../shared/backup/index.ts'
import { migrate, openPostgres } from '../../shared/db/index.ts'
import { backedUp, memoryStore, withTarget } from '../support/archives.ts'
import { asAdmin, describeEngines } from '../support/engines.ts'
import { adminSql } from './admin.ts'

describeEngines(
  'a backup of a Postgres that is at work',
  (product) => {
    test('is of one instant: what was stored together is there together, whatever is stored, changed and forgotten meanwhile', async () => {
      const caller = await product().tenant()
      const pair = (n: number) => ({ items: [1, 2].map((half) => ({ text: `pair ${n} half ${half}`, coord: `${n},${half}`, metadata: { pair: n } })) })
      let n = 0
      const one = async () => (await product().call(caller, 'POST', '/v1/memories/bulk', pair(n++))).body.results as { id: string }[]
      for (let i = 0; i < 150; i++) await one()
      const store = memoryStore()
      let done = false
      const before = n
      const working = (async () => {
        while (!done) {
          await one()
          // both halves get a next version in one call
          await product().call(caller, 'POST', '/v1/memories/bulk', pair(n % 100))
          await product().local.runJob('drain-outbox')
        }
      })()
      // each block waits for a few of those stores, so that the backup is long enough to see them
      const slow = {
        ...store,
        put: (key: string, content: AsyncIterable<Uint8Array>) =>
          store.put(
            key,
            slowed(content, () => n),
          ),
      }
      await backUp(product().local.db.worker, { store: slow, prefix: '' }, { partBytes: 1_000 })
      done = true
      await working
      expect(n).toBeGreaterThan(before + 10)
      await withTarget(product().engine, async (target) => {
        await restore(target.local.db.owner, { store, prefix: '' })
        const t = caller.tenantId
        const pairs = await adminSql<{ halves: number; versions: number; instants: number; words: number }>(
          target,
          `select count(distinct m.memory_key)::integer as halves, count(distinct m.version)::integer as versions, count(distinct m.recorded_at)::integer as instants,
             count(distinct p.memory_key)::integer as words
           from memories m left join postings p on p.tenant_id = m.tenant_id and p.memory_key = m.memory_key where m.tenant_id = ${t} group by m.metadata->>'pair'`,
        )
        expect(pairs.length).toBeGreaterThanOrEqual(before)
        expect(pairs.length).toBeLessThan(n)
        for (const one of pairs) expect(one).toEqual({ halves: 2, versions: 1, instants: 1, words: 2 })
        // every version has its event, waiting or published, and no event is of a version that is not there
        const [left] = await adminSql<{ versions: number; events: number }>(
          target,
          `select (select count(*) from memories where tenant_id = ${t})::integer + (select count(*) from memory_versions where tenant_id = ${t} and state = 'closed')::integer as versions,
             (select count(*) from (select id, version from outbox where tenant_id = ${t} union select id, version from memory_events where tenant_id = ${t}) e)::integer as events`,
        )
        expect(left?.events).toBe(left?.versions)
      })
    })

    test('a plain owner, no superuser, restores once it may act as soma_worker, and is told so before', async () => {
      const caller = await product().tenant()
      await product().call(caller, 'POST', '/v1/memories', { text: 'Ada prefers tea' })
      const { place } = await backedUp(product())
      const adminUrl = product().adminUrl as string
      for (const giving of ['by the superuser', 'by the migration']) {
        const name = `soma_grown_${randomBytes(6).toString('hex')}`
        await asAdmin(adminUrl, async (client) => {
          await client.query(`create database ${name}`)
          await client.query(`create role ${name} login createrole password 'test' in role soma_owner`)
          await client.query(`alter database ${name} owner to ${name}`)
          // as Postgres gives it to whoever makes a role: to grant it, not to act as it
          if (giving === 'by the migration') await client.query(`grant soma_worker to ${name} with admin true, inherit false, set false`)
        })
        const url = Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href
        await asAdmin(url, (client) => client.query('create extension vector'))
        const owner = openPostgres({ url: Object.assign(new URL(url), { username: name, password: 'test' }).href, max: 2, onError: () => {} })
        try {
          await migrate(owner)
          if (giving === 'by the superuser') {
            await expect(restore(owner, place)).rejects.toThrow('run "grant soma_owner, soma_worker to <login>" as a superuser')
            await asAdmin(adminUrl, (client) => client.query(`grant soma_worker to ${name}`))
          }
          expect(await restore(owner, place)).toMatchObject({ generation: 2 })
        } finally {
          await owner.close()
          await asAdmin(url, (client) => client.query(`drop owned by ${name} cascade`))
          await asAdmin(adminUrl, async (client) => {
            await client.query(`drop database ${name} with (force)`)
            await client.query(`drop role ${name}`)
          })
        }
      }
    })
  },
  ['postgres 18', 'postgres 16'],
)

/** Hands over each piece when two more stores have begun. */
async function* slowed(content: AsyncIterable<Uint8Array>, stores: () => number): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    const from = stores()
    while (stores() < from + 2) await new Promise((resolve) => setTimeout(resolve, 5))
    yield piece
  }
}
