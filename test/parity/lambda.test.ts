import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { armer, manifest } from '../../functions/manifest.ts'
import { ownerOf } from '../../local/dispatch.ts'
import { deadLetterHeaders } from '../../shared/kafka/index.ts'
import { adminSql, loseWakeUps } from '../db/admin.ts'
import { makeTopic, produce, readUntil, until } from '../kafka/broker.ts'
import { asDeployed } from '../stack/deployed.ts'
import { entriesExist, type Synthesised, synth } from '../stack/synth.ts'
import { answerOf, type Caller, openProduct, type Product, requestOf } from '../support/engines.ts'
import { type EventSource, eventSource } from '../support/event-source.ts'
import { type GatewayAnswer, gatewayEvent, gatewayResponse } from '../support/gateway.ts'
import { type LambdaFunction, lambdaFunction } from '../support/lambda-function.ts'
import { type LambdaServices, lambdaServices } from '../support/lambda-services.ts'
import { createBucket, s3Environment, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'
import { type Collector, newTraceparent, openCollector } from '../support/spans.ts'
import { behaviour, type Host, issuerVariables, metricsToken } from './suite.ts'

const budget = 5 * 1024 * 1024
const rows = [...manifest.filter((row) => row.hosts.includes('lambda')), armer]
const runtime = requireService('LAMBDA_RUNTIME_PATH') as string
const postgres = requireService('POSTGRES_URL')
const s3 = requireService('TEST_S3_URL')
const broker = requireService('KAFKA_BOOTSTRAP_SERVERS')
const scram = process.env.KAFKA_SASL_BOOTSTRAP_SERVERS
const otelcol = requireService('OTELCOL_PATH')
const missing = [...(runtime ? [] : ['LAMBDA_RUNTIME_PATH']), ...(postgres ? [] : ['POSTGRES_URL'])]

let stack: Synthesised
// 30 runs of esbuild, one after the other
beforeAll(() => {
  // where all rests, whatever may be a function is one
  stack = synth({ bundle: true, settings: { rests: true, variables: issuerVariables } })
}, 300_000)
const functions = new Map<string, LambdaFunction>()
const invoke = (name: string, event: unknown): Promise<unknown> => {
  // one has a name of the stage's
  const found = functions.get(name.replace(/^soma-dev-/, ''))
  return found ? found.invoke(event) : Promise.reject(new Error(`There is no function ${name}.`))
}
afterAll(() => Promise.all([...functions.values()].map((one) => one.stop())))
/** Outside of the checkout, so what is left out of a bundle is not found there either. */
const bundleOf = (name: string) => join(stack.outdir, `asset.${stack.properties(name).Code.S3Key.replace(/\.zip$/, '')}`)

test.skipIf(!entriesExist).each(rows)('the bundle of $name is a module without fault, and fits its size budget', ({ name }) => {
  execFileSync(process.execPath, ['--check', join(bundleOf(name), 'index.mjs')])
  const zipped = readdirSync(bundleOf(name)).reduce((sum, file) => sum + gzipSync(readFileSync(join(bundleOf(name), file))).length, 0)
  expect(zipped).toBeLessThan(budget)
})

describe.skipIf(missing.length > 0)(`every row a Lambda function, in AWS's own runtime client${missing.length ? ` (skipped: no ${missing.join(', ')})` : ''}`, () => {
  let product: Product
  let services: LambdaServices
  let collector: Collector | undefined
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await openProduct('postgres 18', postgres)
    product = opened.product
    collector = otelcol ? await openCollector(otelcol) : undefined
    const traces: Record<string, string> = collector ? { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint } : {}
    services = await lambdaServices(invoke, secretsOf(product))
    const bucket = s3 && (await createBucket(useS3(s3).client))
    for (const { name, timeoutSeconds } of rows) {
      const deployed = asDeployed(stack, name, rows)
      const objects = bucket && 'BACKUP_BUCKET' in deployed ? { ...s3Environment(s3 as string), BACKUP_BUCKET: bucket } : {}
      const environment = { ...deployed, ...services.environment, ...credentials, ...objects, ...traces, LOG_LEVEL: 'error', METRICS_NAMESPACE: 'Soma/test' }
      functions.set(name, await lambdaFunction(runtime, { name, bundle: bundleOf(name), timeoutSeconds, environment }))
    }
    close = opened.close
  }, 60_000)
  afterAll(async () => {
    services?.close()
    await collector?.stop()
    await close?.()
  })

  const owner = ownerOf(rows)
  const host = (): Host => ({
    tenant: product.tenant,
    async call(...given) {
      const request = requestOf('https://api.example', ...given)
      const name = owner(request.method, new URL(request.url).pathname)
      return answerOf(gatewayResponse((await invoke(name, await gatewayEvent(request))) as GatewayAnswer))
    },
    async job(name) {
      await services.quiet()
      await invoke(name, {})
    },
    sql: (text, values) => adminSql(product, text, values),
  })
  behaviour(host, { streams: false })

  test.skipIf(!s3)(`an export and an import go by operations, and their bytes past the functions${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`, async () => {
    const { call, tenant } = host()
    const [ada, eve] = [await tenant(), await tenant()]
    await call(ada, 'POST', '/v1/memories/bulk', { items: ['tea', 'coffee', 'water'].map((text) => ({ text: `Ada drinks ${text}` })) })
    const ended = async (caller: Caller, id: string) => {
      await services.quiet()
      const { body } = await call(caller, 'GET', `/v1/operations/${id}`)
      expect(body).toMatchObject({ id, state: 'succeeded', progress: 1 })
      return body
    }
    const begun = await call(ada, 'POST', '/v1/exports', {})
    expect([begun.status, begun.body.state]).toEqual([202, 'pending'])
    const { parts } = await ended(ada, begun.body.id)
    const file = await (await fetch(parts[0].url)).text()
    expect(
      file
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).text),
    ).toEqual(['Ada drinks tea', 'Ada drinks coffee', 'Ada drinks water'])
    const { body: announced } = await call(eve, 'POST', '/v1/imports', { parts: [{ bytes: Buffer.byteLength(file) }] })
    // the URL takes what was announced and nothing larger
    expect((await fetch(announced.parts[0].url, { method: 'PUT', body: `${file}\n` })).status).toBe(403)
    expect((await fetch(announced.parts[0].url, { method: 'PUT', body: file })).status).toBe(200)
    expect((await call(eve, 'POST', `/v1/imports/${announced.id}/start`)).status).toBe(202)
    expect((await ended(eve, announced.id)).result).toMatchObject({ imported: 3, failed: 0 })
    expect((await call(eve, 'POST', '/v1/recall', { query: 'coffee', mode: 'lexical' })).body.results).toHaveLength(1)
  })

  test.skipIf(!otelcol)(`a store is one trace through the functions that invoke each other${otelcol ? '' : ' (skipped: no OTELCOL_PATH)'}`, async () => {
    const { traceparent, traceId, spanId } = newTraceparent()
    await host().call(await product.tenant(), 'POST', '/v1/memories', { text: 'tea' }, { traceparent })
    await services.quiet()
    const spans = ((await collector?.spans()) ?? []).filter((span) => span.traceId === traceId)
    const under = (parent: string | undefined) => spans.filter((span) => span.parentSpanId === parent).toSorted((a, b) => a.name.localeCompare(b.name))
    const [server] = under(spanId)
    const [, producer] = under(server?.spanId)
    expect([server, ...under(server?.spanId)]).toMatchObject([
      { name: 'POST /v1/memories', kind: 'server' },
      { name: 'postgresql store', kind: 'client' },
      { name: 'send memory.events', kind: 'producer', attributes: { 'messaging.system': 'invoke' } },
    ])
    const applied = under(producer?.spanId)
    expect(applied.map(({ kind, attributes }) => [kind, attributes['soma.handler']]).sort()).toEqual([
      ['consumer', 'index-vectors'],
      ['consumer', 'project-events'],
    ])
  })

  test('a job ends, and says what it has done', async () => {
    for (const name of ['migrate', 'seal-audit', 'expire', 'sweep', 'run-operations', 'reembed', 'recount-words', 'build-ann', 'verify-index'])
      expect([name, await invoke(name, {})]).toEqual([name, expect.objectContaining({ remaining: false })])
  })

  test('a store has jobs run again a minute or two later, and what is scheduled for each is what it takes', async () => {
    await host().call(await product.tenant(), 'POST', '/v1/memories', { text: 'tea', ttl_seconds: 3600 })
    await services.quiet()
    const scheduled = [...services.schedules].map(([name, { GroupName, Target }]) => [name.replace(/-\d.*/, ''), GroupName, Target.Arn])
    for (const job of ['drain-outbox', 'rollup-usage', 'expire', 'sweep']) expect(scheduled).toContainEqual([job, 'soma-dev', job])
    for (const { Target } of services.schedules.values()) expect(await invoke(Target.Arn, JSON.parse(Target.Input))).toMatchObject({ remaining: false })
    await services.quiet()
    const times = [...services.schedules].flatMap(([name, { ScheduleExpression: at }]) => (name.startsWith('expire') ? [Date.parse(`${at.slice(3, -1)}Z`)] : []))
    expect(Math.max(...times)).toBeGreaterThan(Date.now() + 3_000_000)
  })

  test('functions tell CloudWatch what they did, and status what the database knows when it is told to measure', async () => {
    await invoke('status', { measure: true })
    const told = (name: string) =>
      said(name)
        .filter((line) => line.startsWith('{"_aws"'))
        .map((line) => JSON.parse(line))
    // what it has written reaches us a moment after its answer
    await expect.poll(() => told('status').find((line) => 'status_up' in line)).toMatchObject({ status_up: 1, outbox_dead: 0, memory_wal_lag_seconds: expect.any(Number) })
    expect(told('store').filter(({ slo }) => slo === 'store').length).toBeGreaterThan(0)
    expect(told('recall')[0]).toMatchObject({ _aws: { CloudWatchMetrics: [{ Namespace: 'Soma/test', Dimensions: [['slo']] }] }, slo: 'recall', requests: 1 })
    expect(told('index-vectors').some((line) => line.consumer_messages_consumed_total > 0)).toBe(true)
  })

  test('no function has written an error', () => {
    for (const name of functions.keys()) expect([name, said(name).filter((line) => !line.startsWith('{"_aws"'))]).toEqual([name, []])
  })

  const said = (name: string) => functions.get(name)?.said().split('\n').filter(Boolean) ?? []
})

describe.skipIf(missing.length > 0 || !broker || !scram)(
  `the pipeline as functions, with a broker and event sources${broker && scram ? '' : ' (skipped: no KAFKA_SASL_BOOTSTRAP_SERVERS)'}`,
  () => {
    const kafka = { clusterArn: 'arn:aws:kafka:eu-west-1:123456789012:cluster/soma/0a1b2c3d-4', bootstrapServers: [scram as string], pollers: { least: 1, most: 1 } }
    const { KAFKA_SASL_USERNAME: username = '', KAFKA_SASL_PASSWORD: password = '' } = process.env
    const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_soma-AbCdEf'
    const auth = { mechanism: 'scram', username, secretArn, keyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1' } as const
    const pipeline = rows.filter((row) => row.kind === 'records' || row.publishes)
    const sources: EventSource[] = []
    const closing: (() => unknown)[] = []
    let product: Product
    let topic: string

    beforeAll(async () => {
      topic = await makeTopic(broker as string)
      const opened = await openProduct('postgres 18', postgres)
      product = opened.product
      await loseWakeUps(product)
      const services = await lambdaServices(invoke, { ...secretsOf(product), KAFKA_SASL_PASSWORD: password })
      closing.push(services.close, opened.close)
      const withBroker = synth({ settings: { kafka: { ...kafka, auth } } })
      // the listener here has no TLS, and the topic is this test's own
      const here = { KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT', KAFKA_MEMORY_EVENTS_TOPIC: topic, ...services.environment, ...credentials, LOG_LEVEL: 'fatal' }
      for (const row of pipeline) {
        const environment = { ...asDeployed(withBroker, row.name, manifest), ...here }
        expect(environment).not.toHaveProperty('FUNCTION_INDEX_VECTORS')
        functions.set(`kafka ${row.name}`, await lambdaFunction(runtime, { ...row, bundle: bundleOf(row.name), environment }))
        if (row.kind === 'records')
          sources.push(await eventSource(broker as string, { group: `soma.${row.name}.${topic}`, topic, batchSize: row.batchSize }, (event) => invoke(`kafka ${row.name}`, event)))
      }
    }, 60_000)
    afterAll(async () => {
      await Promise.all(sources.map((source) => source.stop()))
      for (const close of closing) await close()
    })

    test('what the drain publishes is projected and indexed, and what can never be applied is among the dead letters', async () => {
      const ada = await product.tenant()
      await produce(broker as string, topic, [{ key: 'k', value: '{"half":', partition: 0 }])
      const { id } = (await product.call(ada, 'POST', '/v1/memories', { text: 'Ada prefers tea — ☕' })).body
      await product.call(ada, 'PATCH', `/v1/memories/${id}`, { text: 'Ada prefers coffee' })
      expect(await invoke('kafka drain-outbox', {})).toMatchObject({ done: 2, remaining: false, detail: { failed: 0 } })
      const versions = () => adminSql<{ version: number }>(product, 'select version from memory_events where tenant_id = $1::integer order by version', [ada.tenantId])
      await until(async () => (await versions()).length === 2 && (await product.call(ada, 'GET', `/v1/memories/${id}`)).body.index_state === 'indexed')
      expect(await versions()).toEqual([{ version: 1 }, { version: 2 }])
      // each consumer buries for itself
      const letters = await readUntil(broker as string, `${topic}.dlq`, (all) => all.length >= 2)
      expect(letters.map(({ headers }) => headers[deadLetterHeaders.consumer]).sort()).toEqual(['index-vectors', 'project-events'])
      for (const source of sources) expect(source.invocations()).toBeGreaterThan(0)
    })
  },
)

const credentials = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }

function secretsOf({ local }: Product): Record<string, string> {
  const { POSTGRES_URL = '', POSTGRES_MIGRATION_URL = '' } = local.config
  const others = { SOMA_API_TOKEN: 'a token of the test', EMBEDDING_API_KEY: 'none', METRICS_TOKEN: metricsToken, BACKUP_KEY: '01'.repeat(32) }
  return { POSTGRES_URL, POSTGRES_WORKER_URL: POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY: 'a test signing key', ...others }
}
