import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningKafka, startKafka } from '../../local/services/kafka.ts'
import { groupId } from '../../shared/kafka/index.ts'
import { adminSql } from '../db/admin.ts'
import { exitOf, freePort, startProcess, untilLine } from '../http/processes.ts'
import { openProduct, type Product } from '../support/engines.ts'
import { requireService } from '../support/services.ts'
import { makeTopic, plainClient, until } from './broker.ts'

const postgres = requireService('POSTGRES_URL')
const available = requireService('KAFKA_BOOTSTRAP_SERVERS')

describe.skipIf(!postgres || !available)('when something is killed', () => {
  // a broker of this file's own, since it is killed
  let broker: RunningKafka
  let product: Product
  let topic: string
  let close: () => Promise<void>
  beforeAll(async () => {
    broker = await startKafka()
    topic = await makeTopic(broker.bootstrapServers)
    const opened = await openProduct('postgres 18', postgres, { KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers, KAFKA_MEMORY_EVENTS_TOPIC: topic })
    product = opened.product
    close = opened.close
  })
  afterAll(async () => {
    await close?.()
    await broker?.stop()
  })
  const taskEnv = (port: string) => ({
    STAGE: 'dev',
    PORT: port,
    POSTGRES_URL: product.local.config.POSTGRES_URL as string,
    KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers,
    KAFKA_MEMORY_EVENTS_TOPIC: topic,
  })
  const projected = (tenantId: number) =>
    adminSql<{ id: string; version: number; times: number }>(
      product,
      'select id, version, count(*)::integer as times from memory_events where tenant_id = $1::integer group by 1, 2',
      [tenantId],
    )
  async function committed(handler: string): Promise<number> {
    const admin = plainClient(broker.bootstrapServers).admin()
    await admin.connect()
    const [offsets] = await admin.fetchOffsets({ groupId: groupId(handler, topic), topics: [topic] })
    await admin.disconnect()
    return (offsets?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0)
  }

  test('a consumer that dies between its effect and its commit is followed by one that repeats the batch: the effect is there once', async () => {
    const ada = await product.tenant()
    await product.call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 20 }, (_, i) => ({ text: `note ${i}` })) })
    await product.local.runJob('drain-outbox')
    const dying = startProcess(['test/kafka/killed-consumer.ts'], taskEnv(await freePort()))
    await exitOf(dying)
    expect(dying.signalCode).toBe('SIGKILL')
    expect((await projected(ada.tenantId)).length).toBeGreaterThan(0)
    expect(await committed('project-events')).toBe(0)

    const port = await freePort()
    const next = startProcess(['functions/project-events/task.ts'], taskEnv(port))
    await untilLine(next, /"listening"/)
    await until(async () => (await projected(ada.tenantId)).length === 20)
    await until(async () => (await committed('project-events')) === 20)
    expect((await projected(ada.tenantId)).every(({ times }) => times === 1)).toBe(true)
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect([ready.status, await ready.json()]).toMatchObject([200, { components: { worker: { ok: true }, kafka: { ok: true } } }])
    expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toMatch(/^consumer_lag\{.*\} 0$/m)
    next.kill('SIGTERM')
    expect(await exitOf(next)).toBe(0)
    // it has left in order: nobody waits for its session to end
    const { groups } = await plainClient(broker.bootstrapServers)
      .admin()
      .describeGroups([groupId('project-events', topic)])
    expect(groups[0]?.members).toEqual([])
  })

  test('the broker is killed and comes back under load: all that was stored is projected and indexed, each version once', async () => {
    const ada = await product.tenant()
    product.local.consume()
    const ids: string[] = []
    let storing = true
    const load = (async () => {
      while (storing) {
        const { body } = await product.call(ada, 'POST', '/v1/memories/bulk', { items: Array.from({ length: 10 }, (_, i) => ({ text: `note ${ids.length + i}` })) })
        ids.push(...body.results.map((one: { id: string }) => one.id))
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })()
    await until(async () => (await projected(ada.tenantId)).length > 50)
    const before = ids.length
    await broker.crash()
    await until(() => ids.length > before + 100)
    const [away] = [await product.local.runJob('drain-outbox')]
    expect(away.detail).toMatchObject({ sent: 0 })
    await broker.start()
    await until(() => ids.length > before + 200)
    storing = false
    await load
    await until(async () => {
      await product.local.runJob('drain-outbox')
      return (await projected(ada.tenantId)).length === ids.length
    })
    await until(async () => (await adminSql(product, 'select 1 from vector_pending where tenant_id = $1::integer limit 1', [ada.tenantId])).length === 0)
    expect((await projected(ada.tenantId)).filter(({ times }) => times !== 1)).toEqual([])
    expect((await projected(ada.tenantId)).map((row) => row.id).sort()).toEqual(ids.toSorted())
    expect(await adminSql(product, "select o.seq from outbox o where o.tenant_id = $1::integer and o.status <> 'sent'", [ada.tenantId])).toEqual([])
  })
})
