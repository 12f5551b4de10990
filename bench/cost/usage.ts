import { armer, type ManifestRow, manifest } from '../../functions/manifest.ts'
import { assumed, cores, daysAMonth, hoursAMonth, measured, type Profile } from './assumptions.ts'
import { awakeAcu, awakeHours, instancesOf, invocation, logged, placedOf, taskOf } from './capacity.ts'
import { idleLines, type Line, total } from './idle.ts'
import { agentCore, dollarsOf } from './prices.ts'
import { ofType, type Resources } from './template.ts'

export type Unit = 'stores' | 'recalls' | 'memories'
export const units: readonly Unit[] = ['stores', 'recalls', 'memories']
const million = 1_000_000
/** The lines on which most hangs that nobody has measured. */
export const requestIo = 'database, I/O'
export const requestCpu = 'database, ACU'
export const hotMemory = 'database, memory for what is hot'
const perIo = dollarsOf('auroraIo') / million

const rowOf = (name: string): ManifestRow => {
  const row = manifest.find((one) => one.name === name)
  if (!row) throw new Error(`functions/manifest.ts has no handler ${name}.`)
  return row
}

const has = (all: Resources, type: string): boolean => ofType(all, type).length > 0
/** Dollars of an ACU for an hour in all instances that grow together, and in the proxy that is paid by them. */
const acuHour = (all: Resources): number => instancesOf(all) * (dollarsOf('acu') + (has(all, 'AWS::RDS::DBProxy') ? dollarsOf('proxy') : 0))

/** CPU seconds of a database as ACU-hours that are paid. */
const acuHours = (cpuSeconds: number): number => cpuSeconds / assumed.vcpuPerAcu.value / assumed.busyShare.value / 3600
const cpuSeconds: Record<'stores' | 'recalls', number> = { stores: cores / measured.storesPerSecond.value, recalls: cores / measured.recallsPerSecond.value }

/** Dollars of one call of a handler wherever the stack has it: `milliseconds` of a function, `cpu` seconds of a task. */
function call(all: Resources, name: string, milliseconds: number, cpu: number): number {
  const { on, resource } = placedOf(all, rowOf(name))
  if (on === 'lambda') return invocation(resource, milliseconds)
  const { vcpu, dollarsAnHour } = taskOf(resource)
  return (cpu / assumed.taskBusyShare.value / 3600) * (dollarsAnHour / vcpu) + logged(assumed.logBytes.value) + (assumed.logBytes.value / 1e9) * dollarsOf('endpointData')
}

/** The way in of one request: the HTTP API and its access log, or the load balancer with its rules, and the firewall. */
function entrance(all: Resources, name: string): number {
  if (placedOf(all, rowOf(name)).on === 'lambda') return dollarsOf('httpApi') / million + logged(assumed.accessLogBytes.value)
  const evaluated = Math.max(0, ofType(all, 'AWS::ElasticLoadBalancingV2::ListenerRule').length - 10)
  const firewall = has(all, 'AWS::WAFv2::WebACL') ? dollarsOf('firewallRequests') / million : 0
  return (evaluated / 3_600_000) * dollarsOf('balancerUnit') + firewall
}

const line = (what: string, each: number): Line => ({ what, count: 'a million', dollars: each * million })

/** What a million of a unit costs beside the idle cost: stores with their indexing, recalls, or memories kept for a month. */
export function unitLines(all: Resources, unit: Unit): Line[] {
  if (unit === 'memories') return memoryLines(all)
  const handler = unit === 'stores' ? 'store' : 'recall'
  const milliseconds = assumed.slower.value * (unit === 'stores' ? measured.storeMs : measured.recallMs).value
  const cpu = cpuSeconds[unit]
  const behind =
    unit === 'stores' ? [['drain-outbox', assumed.drainMs.value] as const, ...['index-vectors', 'project-events'].map((name) => [name, assumed.recordsMs.value] as const)] : []
  return [
    line('the way in', entrance(all, handler)),
    line('the handler', call(all, handler, milliseconds, cpu)),
    ...(behind.length
      ? [
          line(
            'drain, index, projection',
            behind.reduce((sum, [name, ms]) => sum + call(all, name, ms, cpu), 0),
          ),
        ]
      : []),
    line(requestCpu, acuHours(cpu) * acuHour(all)),
    line(requestIo, perIo * (unit === 'stores' ? assumed.storeIo : assumed.recallIo).value),
    line('logs kept', logsKept(all, unit === 'stores' ? 4 : 1)),
  ]
}

/** Logs of so many calls, for as long as the stage keeps them: each month of it is paid each month. */
function logsKept(all: Resources, calls: number): number {
  const days = Math.max(0, ...ofType(all, 'AWS::Logs::LogGroup').map(({ properties }) => properties.RetentionInDays ?? 0))
  const bytes = calls * (assumed.logBytes.value + assumed.lambdaLogBytes.value) + assumed.accessLogBytes.value
  return (bytes / 1e9) * assumed.logCompression.value * dollarsOf('logStorage') * (days / daysAMonth)
}

function memoryLines(all: Resources): Line[] {
  const gb = measured.memoryBytes.value / 1e9
  const archivesGb = (assumed.archives.value * measured.backupBytes.value) / 1e9
  const puts = (daysAMonth * measured.backupBytes.value) / (8 * 2 ** 20)
  const backupCpu = (daysAMonth * measured.backupSeconds.value * cores) / million
  const drillCpu = (assumed.drillsAMonth.value * measured.drillSeconds.value * cores) / million
  const pagesRead = (daysAMonth * (measured.memoryBytes.value - measured.postingsBytes.value + assumed.verifiedBytes.value)) / 8192
  const drillIo = (assumed.drillsAMonth.value * measured.memoryBytes.value) / 4096
  return [
    line(hotMemory, ((gb * assumed.hotShare.value) / assumed.cacheGbPerAcu.value) * hoursAMonth * acuHour(all)),
    line('database, storage', gb * dollarsOf('auroraStorage')),
    line("Aurora's own backups, one copy", gb * dollarsOf('auroraBackup')),
    line('backups, drills, verify-index: ACU', acuHours(backupCpu + drillCpu) * acuHour(all)),
    line('backups, drills, verify-index: I/O', perIo * (pagesRead + drillIo)),
    line('backups in the bucket', archivesGb * dollarsOf('bucketStorage') + (puts * dollarsOf('bucketPuts')) / million),
  ]
}

/** Where a stage rests: the sweeps that stores arm, at most one a job and its `everySeconds` while the database is awake, and the calls of what arms them. */
export function sweepsOf(all: Resources, { stores, awakeHours: hours }: Pick<Profile, 'stores' | 'awakeHours'>): number {
  if (!has(all, 'AWS::Scheduler::ScheduleGroup')) return 0
  const once = (row: ManifestRow) => invocation(placedOf(all, row).resource, assumed.tickMs.value)
  const one = (dollarsOf('schedules') + assumed.tickIo.value * dollarsOf('auroraIo')) / million
  const sweeps = manifest.map((row) => {
    const { after, everySeconds } = (row.kind === 'job' && row.swept) || { after: [], everySeconds: 60 }
    return (after as readonly string[]).includes('drain-outbox') ? Math.min(stores, (hours * 3600) / everySeconds) * (one + once(row)) : 0
  })
  return sweeps.reduce((sum, dollars) => sum + dollars, 0) + Math.min(stores, hours * 60) * assumed.tellers.value * once(armer)
}

export type Bill = { idle: number; awake: number; swept: number; used: Record<Unit, number>; total: number; agentCore: number; ratio: number; acu: number }

/** A month of a profile on its stack, and the same work at AgentCore. All is added up: nothing that idles is taken as used. */
export function billOf(all: Resources, profile: Profile): Bill {
  const idle = total(idleLines(all))
  const awake = Math.max(0, profile.awakeHours - awakeHours(all)) * awakeAcu(all) * acuHour(all)
  const used = Object.fromEntries(units.map((unit) => [unit, (profile[unit] / million) * total(unitLines(all, unit))])) as Record<Unit, number>
  const swept = sweepsOf(all, profile)
  const sum = idle + awake + swept + used.stores + used.recalls + used.memories
  const theirs = units.reduce((dollars, unit) => dollars + (profile[unit] / million) * agentCore[unit].dollars, 0)
  const busy = acuHours(profile.stores * cpuSeconds.stores + profile.recalls * cpuSeconds.recalls) / hoursAMonth
  const hot = (profile.memories * (measured.memoryBytes.value / 1e9) * assumed.hotShare.value) / assumed.cacheGbPerAcu.value
  return { idle, awake, swept, used, total: sum, agentCore: theirs, ratio: theirs / sum, acu: awakeAcu(all) + busy + hot }
}

/** How much cheaper than AgentCore it would be, were one line of what is used so many times what it is taken for. */
export function ratioWith(all: Resources, profile: Profile, what: string, factor: number): number {
  const { total: before, agentCore: theirs } = billOf(all, profile)
  const more = units.reduce((dollars, unit) => dollars + (profile[unit] / million) * total(unitLines(all, unit).filter((one) => one.what === what)), 0)
  return theirs / (before + (factor - 1) * more)
}
