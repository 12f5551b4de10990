import { type HttpRow, type JobRow, type ManifestRow, manifest, type RecordsRow } from '../../functions/manifest.ts'
import { schemaVersion } from '../../shared/db/index.ts'
import { type KubeObject, labelsOf, object, pod, port, selectorOf } from './parts.ts'
import { secretOf } from './secrets.ts'

/** Rows that a load balancer would send requests to, in how many copies at least and at most. */
const copies = { least: 2, most: 10 } as const
/** A partition is one consumer's at a time, and the topic has so many. */
const partitions = 6

/** Services, their scaling and their protection against drained nodes. */
export function services(): KubeObject[] {
  const http = manifest.filter((row): row is HttpRow => row.kind === 'http')
  const records = manifest.filter((row): row is RecordsRow => row.kind === 'records')
  return [
    ...service({
      name: 'router',
      command: ['node', 'local/router.ts'],
      memoryMb: 512,
      secrets: undefined,
      least: copies.least,
      most: copies.most,
      graceSeconds: 920,
      alive: 'tcp',
    }),
    ...http.flatMap((row) => service({ ...ofRow(row), least: copies.least, most: copies.most, graceSeconds: row.timeoutSeconds + 6 })),
    ...records.flatMap((row) => service({ ...ofRow(row), least: 1, most: partitions, graceSeconds: 35 })),
    ...drain(),
  ]
}

const ofRow = (row: ManifestRow) => ({ name: row.name, command: ['node', `functions/${row.name}/task.ts`], memoryMb: row.memoryMb, secrets: secretOf(row) })

type Service = {
  name: string
  command: string[]
  memoryMb: number
  secrets: string | undefined
  least: number
  most: number
  graceSeconds: number /** The router hands /healthz on, so it is asked for its port alone. */
  alive?: 'tcp'
}

function service({ name, command, memoryMb, secrets, least, most, graceSeconds, alive }: Service): KubeObject[] {
  return [
    object('apps/v1', 'Deployment', name, {
      spec: {
        replicas: least,
        selector: selectorOf(name),
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        template: spread(name, pod({ name, command, memoryMb, serves: true, secrets, graceSeconds, ...(alive ? { alive } : {}) })),
      },
    }),
    object('v1', 'Service', name, { spec: { selector: labelsOf(name), ports: [{ name: 'http', port, targetPort: 'http' }] } }),
    object('autoscaling/v2', 'HorizontalPodAutoscaler', name, {
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
        minReplicas: least,
        maxReplicas: most,
        metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }],
      },
    }),
    ...(least > 1 ? [object('policy/v1', 'PodDisruptionBudget', name, { spec: { minAvailable: 1, selector: selectorOf(name) } })] : []),
  ]
}

/** Copies in different zones, as far as there are any. */
function spread(name: string, template: Record<string, unknown>): Record<string, unknown> {
  const topologySpreadConstraints = [{ maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: selectorOf(name) }]
  return { ...template, spec: { ...(template.spec as object), topologySpreadConstraints } }
}

/** The drain goes on and on, every ten seconds, since a task cannot be woken; as a CronJob events would wait for up to a minute. It opens the requests' database too, as every `soma worker`. */
function drain(): KubeObject[] {
  const row = manifest.find(({ name }) => name === 'drain-outbox') as JobRow
  const { name } = row
  const template = pod({ name, command: ['node', 'bin/soma.ts', 'worker', name], memoryMb: row.memoryMb, serves: false, secrets: secretOf(row) })
  return [object('apps/v1', 'Deployment', name, { spec: { replicas: 1, selector: selectorOf(name), strategy: { type: 'Recreate' }, template } })]
}

/** What runs by schedule, one run at a time; and suspended what runs when somebody asks: `kubectl create job --from=cronjob/backup backup-now`. */
export function jobs(): KubeObject[] {
  const rows = manifest.filter((row): row is JobRow => row.kind === 'job' && row.name !== 'drain-outbox' && row.name !== 'migrate')
  return rows.map((row) =>
    object('batch/v1', 'CronJob', row.name, {
      spec: {
        schedule: scheduleOf(row),
        suspend: row.everySeconds === null,
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 60,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 3,
        jobTemplate: { spec: jobSpec(row) },
      },
    }),
  )
}

function jobSpec(row: JobRow): Record<string, unknown> {
  return { backoffLimit: 0, activeDeadlineSeconds: row.timeoutSeconds, template: pod({ ...ofRow(row), serves: false, restart: 'Never', graceSeconds: 60 }) }
}

function scheduleOf({ name, everySeconds }: JobRow): string {
  if (everySeconds === null) return '0 0 1 1 *'
  if (everySeconds >= 86_400) return '17 3 * * *'
  const minutes = everySeconds / 60
  if (!Number.isInteger(minutes) || 60 % minutes !== 0) throw new Error(`${name} runs every ${everySeconds} s, which is no part of an hour: say how cron should know.`)
  return minutes === 1 ? '* * * * *' : `*/${minutes} * * * *`
}

/** Before the rest: a Job of its own for each version of the schema, as a Job that ran cannot be changed. */
export function migration(): KubeObject[] {
  const row = manifest.find(({ name }) => name === 'migrate') as JobRow
  const job = object(
    'batch/v1',
    'Job',
    `migrate-${schemaVersion}`,
    { spec: { ...jobSpec(row), backoffLimit: 3, ttlSecondsAfterFinished: 86_400 } },
    { labels: labelsOf('migrate') },
  )
  return [job]
}
