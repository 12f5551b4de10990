import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { composeFile, composeServices } from '../support/compose.ts'

const { services, volumes } = composeServices()
const image = 'soma-memory'
const ours = Object.entries(services).filter(([, service]) => service.image === image)
const serviceOf = (name: string) => {
  const found = services[name]
  if (!found) throw new Error(`${composeFile} has no service ${name}: add the handler.`)
  return found
}
const tasks = manifest.filter((row) => row.hosts.includes('task'))
/** Beside the handlers: one way in, and the topics. */
const helpers = ['router', 'topics']

test('every handler of the manifest that runs as a task is a service, and nothing else is', () => {
  expect(ours.map(([name]) => name).sort()).toEqual([...tasks.map(({ name }) => name), ...helpers].sort())
})

test.each(tasks)('$name runs its entry, or as a job the worker on its schedule', (row) => {
  const { command, profiles, restart } = serviceOf(row.name)
  const scheduled = row.kind === 'job' && row.everySeconds !== null
  expect(command).toEqual(scheduled ? ['node', 'bin/soma.ts', 'worker', row.name] : ['node', `functions/${row.name}/task.ts`])
  const once = row.kind === 'job' && !scheduled
  expect(restart).toBe(once ? 'no' : 'unless-stopped')
  // what runs when somebody asks does not start with the rest, but for the migration
  expect(profiles).toEqual(once && row.name !== 'migrate' ? ['by-hand'] : undefined)
})

test.each(ours)('%s runs from the one image, as its user, with a root that nothing writes to', (name, service) => {
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
  expect(service.build).toEqual(name === 'migrate' ? { context: '..' } : undefined)
  expect(existsSync(service.command?.[1] ?? '')).toBe(true)
  // only a job has no port to ask
  expect(service.healthcheck).toEqual(manifest.find((row) => row.name === name)?.kind === 'job' || name === 'topics' ? { disable: true } : undefined)
})

describe.each(ours)('the environment of %s', (name, { environment = {} }) => {
  test('is understood, without an older name', () => {
    const { warnings } = parseConfig(Object.fromEntries(Object.entries({ HOST: '0.0.0.0', ...environment }).map(([variable, value]) => [variable, String(value)])))
    expect(warnings).toEqual([])
  })

  test('has the database logins of its row, and the broker where it speaks to it', () => {
    const row = manifest.find((one) => one.name === name)
    for (const secret of row?.secrets.filter((one) => one.startsWith('POSTGRES_')) ?? []) expect(environment).toHaveProperty(secret)
    if (row?.kind === 'records' || (row?.kind === 'job' && row.publishes)) expect(environment).toHaveProperty('KAFKA_BOOTSTRAP_SERVERS')
    if (row?.kind === 'job' && row.archives) expect(environment).toMatchObject({ BACKUP_BUCKET: 'backups', S3_ENDPOINT: 'http://s3:7070' })
    if (row?.transfers) expect(environment).toMatchObject({ BACKUP_BUCKET: 'backups', S3_ENDPOINT: 'http://s3:7070' })
    // whoever may change the schema is nobody's login but the owners'
    expect('POSTGRES_MIGRATION_URL' in environment).toBe(row?.database === 'owner')
  })
})

test('every published port is on loopback only', () => {
  const ports = Object.values(services).flatMap((service) => service.ports ?? [])
  expect(ports.length).toBeGreaterThan(0)
  expect(ports.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port))).toEqual([])
})

test('what is waited for is there, can be waited for, and comes before the first request', () => {
  for (const { depends_on = {} } of Object.values(services)) {
    for (const [name, { condition }] of Object.entries(depends_on)) {
      const { healthcheck, restart, image: from } = serviceOf(name)
      if (condition === 'service_completed_successfully') expect(restart).toBe('no')
      else expect([condition, healthcheck?.disable !== true && (from === image || healthcheck?.test !== undefined)]).toEqual(['service_healthy', true])
    }
  }
  const http = manifest.filter((row) => row.kind === 'http').map(({ name }) => name)
  expect(Object.keys(serviceOf('router').depends_on ?? {}).sort()).toEqual(http.sort())
  const ready = Object.keys(serviceOf('store').depends_on ?? {})
  expect(ready).toEqual(expect.arrayContaining(['migrate', 'topics']))
})

test('every volume is declared, and every file that is mounted is there', () => {
  const mounts = Object.values(services).flatMap((service) => service.volumes?.map((one) => one.split(':')[0] ?? '') ?? [])
  const files = mounts.filter((one) => one.startsWith('./'))
  expect(files.filter((one) => !existsSync(`local/${one}`))).toEqual([])
  expect(mounts.filter((one) => !files.includes(one)).sort()).toEqual([...volumes].sort())
})

const client = spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0
test.skipIf(!client)(`docker compose takes the file${client ? '' : ' (skipped: no docker compose here)'}`, () => {
  const { status, stdout, stderr } = spawnSync('docker', ['compose', '-f', composeFile, '--profile', '*', 'config', '--format', 'json'], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const read = JSON.parse(stdout) as { services: Record<string, { command: string[] | null; environment?: Record<string, string> }> }
  expect(Object.keys(read.services).sort()).toEqual(Object.keys(services).sort())
  // and reads it as these tests do
  for (const [name, { command, environment = {} }] of ours) {
    const strings = Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, String(value ?? '')]))
    expect(read.services[name]).toMatchObject({ command, environment: strings })
  }
})
