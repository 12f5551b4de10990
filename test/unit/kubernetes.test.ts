import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { alertGroups } from '../../local/alerts.ts'
import type { KubeObject } from '../../local/kubernetes/parts.ts'
import { renderedFiles, renderedObjects } from '../../local/kubernetes/render.ts'
import { secretsOf } from '../../local/kubernetes/secrets.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { schemaVersion } from '../../shared/db/index.ts'
import { requireService } from '../support/services.ts'

const folder = 'docs/kubernetes'
const objects = Object.values(renderedObjects()).flat()
const of = (kind: string) => objects.filter((one) => one.kind === kind)
const named = (kind: string, name: string) => objects.find((one) => one.kind === kind && one.metadata.name === name)
// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds
type Any = any
const specOf = (kind: string, name: string): Any => {
  const found = named(kind, name)
  if (!found) throw new Error(`There is no ${kind} ${name}.`)
  return found.spec
}

/** Every pod there is, by the object that makes it. */
function podsOf(one: KubeObject): Any[] {
  const spec = one.spec as Any
  if (one.kind === 'Deployment' || one.kind === 'Job') return [spec.template.spec]
  return one.kind === 'CronJob' ? [spec.jobTemplate.spec.template.spec] : []
}
const pods = objects.flatMap((one) => podsOf(one).map((spec) => [`${one.kind} ${one.metadata.name}`, spec] as const))

test('docs/kubernetes is what the manifest renders: after a change run `npx node local/kubernetes/render.ts`', () => {
  const files = renderedFiles()
  expect(readdirSync(folder).sort()).toEqual(Object.keys(files).sort())
  for (const [name, text] of Object.entries(files)) expect(readFileSync(join(folder, name), 'utf8') === text, name).toBe(true)
})

test('every handler that runs as a task has its workload, and nothing else has one', () => {
  const tasks = manifest.filter((row) => row.hosts.includes('task'))
  const workloads = tasks.map((row) => {
    if (row.name === 'migrate') return `Job migrate-${schemaVersion}`
    return `${row.kind === 'job' && row.name !== 'drain-outbox' ? 'CronJob' : 'Deployment'} ${row.name}`
  })
  expect(pods.map(([name]) => name).sort()).toEqual([...workloads, 'Deployment router'].sort())
  for (const row of tasks) {
    if (row.kind === 'job') continue
    for (const kind of ['Service', 'HorizontalPodAutoscaler']) expect([row.name, named(kind, row.name) !== undefined]).toEqual([row.name, true])
    expect(named('PodDisruptionBudget', row.name) !== undefined).toBe(row.kind === 'http')
  }
})

test('a job runs on the manifest’s schedule, one run at a time; what runs when somebody asks is suspended', () => {
  for (const row of manifest) {
    const cron = named('CronJob', row.name)?.spec as Any
    if (row.kind !== 'job' || !cron) continue
    expect([row.name, cron.concurrencyPolicy, cron.suspend]).toEqual([row.name, 'Forbid', row.everySeconds === null])
    if (row.everySeconds === 60) expect(cron.schedule).toBe('* * * * *')
    else if (row.everySeconds !== null && row.everySeconds < 3_600) expect(cron.schedule).toBe(`*/${row.everySeconds / 60} * * * *`)
    expect(cron.jobTemplate.spec).toMatchObject({ activeDeadlineSeconds: row.timeoutSeconds, backoffLimit: 0 })
  }
})

test.each(pods)('%s has no rights, no token, a root that nothing writes to, and starts what is there', (_name, spec) => {
  expect(spec).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } })
  expect(spec.containers).toHaveLength(1)
  const [container] = spec.containers
  expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
  expect(container.resources.limits.memory).toMatch(/^\d+Mi$/)
  expect(existsSync(container.command[1])).toBe(true)
})

test('a handler has the secrets of its row and no other, none of them as text; and its environment is understood', () => {
  const data = named('ConfigMap', 'soma')?.data as Record<string, string>
  for (const row of manifest) {
    const secret = named('ExternalSecret', `soma-${row.name}`)?.spec as Any
    const names = secret.data.map(({ secretKey }: { secretKey: string }) => secretKey)
    expect(names).toEqual(secretsOf(row))
    expect(names.every((name: string) => row.secrets.includes(name) || row.name === 'drain-outbox')).toBe(true)
    for (const { secretKey, remoteRef } of secret.data) expect(remoteRef.key).toBe(`soma/prod/${secretKey}`)
    const values: Record<string, string> = { BACKUP_KEY: 'ab'.repeat(32), REDIS_URL: 'rediss://redis:6379' }
    const environment = Object.fromEntries(names.map((name: string) => [name, values[name] ?? (name.startsWith('POSTGRES_') ? 'postgres://a@b/c' : 'a secret of sixteen')]))
    const all = { KAFKA_SASL_PASSWORD: 'a secret of sixteen', ...data, ...environment }
    expect([row.name, parseConfig(all).warnings]).toEqual([row.name, []])
  }
  expect(of('Secret')).toEqual([])
  for (const [name, spec] of pods) {
    const refs = spec.containers[0].envFrom.flatMap((from: Any) => from.secretRef?.name ?? [])
    for (const ref of refs) expect([name, named('ExternalSecret', ref) !== undefined]).toEqual([name, true])
  }
})

test('nothing is let through unless a policy says so, and one way leads in, by TLS', () => {
  expect(named('NetworkPolicy', 'nothing-unless-allowed')?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] })
  const [ingress, ...others] = of('Ingress')
  expect(others).toEqual([])
  const spec = ingress?.spec as Any
  expect(spec.tls[0].hosts).toEqual(spec.rules.map(({ host }: { host: string }) => host))
  expect(spec.rules[0].http.paths.map((path: Any) => path.backend.service.name)).toEqual(['router'])
  const http = manifest.filter(({ kind }) => kind === 'http').map(({ name }) => name)
  expect(specOf('NetworkPolicy', 'handlers').podSelector.matchExpressions[0].values).toEqual(http)
})

test('the only role lets operators start what runs when somebody asks, and read logs', () => {
  expect(of('ClusterRole')).toEqual([])
  expect(of('Role').map(({ metadata }) => metadata.name)).toEqual(['soma-operator'])
  const verbs = (named('Role', 'soma-operator') as Any).rules.flatMap((rule: Any) => rule.verbs)
  expect(new Set(verbs)).toEqual(new Set(['get', 'list', 'watch', 'create']))
})

test('the rules for Prometheus are those of docs/alerts.yaml', () => {
  expect(specOf('PrometheusRule', 'soma').groups).toEqual(alertGroups())
})

test('names are those that Kubernetes takes, and each is there once', () => {
  for (const { metadata } of objects) expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
  const all = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  expect(new Set(all).size).toBe(all.length)
})

const tools = requireService('KUBERNETES_TOOLS_PATH')
describe.skipIf(!tools)(`the schemas of the API${tools ? '' : ' (skipped: no KUBERNETES_TOOLS_PATH)'}`, () => {
  test.each(['1.31', '1.34'])('of Kubernetes %s take every object of it, and no field that it has not', (version) => {
    const files = readdirSync(folder).filter((name) => name !== 'kustomization.yaml')
    const args = ['-m', 'kubernetes_validate', '--strict', '-k', version, ...files.map((name) => join(folder, name))]
    const { status, stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8', env: { ...process.env, PYTHONPATH: `${tools}/python`, PYTHONDONTWRITEBYTECODE: '1' } })
    const said = `${stdout}${stderr}`
    expect(
      said.split('\n').filter((line) => line.startsWith('ERROR')),
      said.slice(0, 2_000),
    ).toEqual([])
    expect(said).toContain('INFO')
    const unknown = new Set([...said.matchAll(/find schema for kind (\w+)/g)].map(([, kind]) => kind))
    expect(unknown).toEqual(new Set(['ExternalSecret', 'ServiceMonitor', 'PrometheusRule']))
    expect(status).toBeLessThanOrEqual(1)
  })

  test('of the operators take theirs', async () => {
    const classes: Record<string, string> = {
      ExternalSecret: '@kubernetes-models/external-secrets/external-secrets.io/v1',
      ServiceMonitor: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
      PrometheusRule: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
    }
    for (const [kind, path] of Object.entries(classes)) {
      const module = await import(join(tools as string, 'node_modules', path, 'index.js'))
      const model = (one: object) => new module[kind](one)
      expect(of(kind).length).toBeGreaterThan(0)
      for (const one of of(kind)) expect(() => model(one).validate()).not.toThrow()
      expect(() => model({ ...of(kind)[0], spec: { endpoints: 'x', data: 'x', groups: 'x' } }).validate()).toThrow()
    }
  })
})
