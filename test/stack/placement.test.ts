import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { computeNames } from '../../lib/context.ts'
import { pascalCase } from '../../lib/handler.ts'
import { targetOf } from '../../lib/placement.ts'
import { settingsOf, stageNames } from '../../lib/settings.ts'
import { aliveCommand, fargateSize } from '../../lib/task.ts'
import { ofType, synth } from './synth.ts'

describe.each(stageNames)('stage %s', (stage) => {
  test.each(computeNames)('compute %s synthesises: every row is placed once, with a log that ends', (compute) => {
    const { template, resources } = synth({ stage, compute })
    const onLambda = manifest.filter((row) => targetOf(row, compute) === 'lambda').length
    template.resourceCountIs('AWS::Lambda::Function', onLambda)
    template.resourceCountIs('AWS::ECS::TaskDefinition', manifest.length - onLambda)
    const logs = ofType(resources, 'AWS::Logs::LogGroup').map(([, { Properties }]) => Properties)
    // an HTTP API and a network have logs too
    expect(logs.map((log) => log.LogGroupName)).toEqual(expect.arrayContaining(manifest.map(({ name }) => `/soma/${stage}/${name}`)))
    expect(new Set(logs.map((log) => log.RetentionInDays))).toEqual(new Set([settingsOf(stage).logRetentionDays]))
  })
})

const functions = manifest.filter((row) => row.hosts.includes('lambda') && row.prefers !== 'task')
test.each(functions)('$name as a function has the size, the time limit and the log of its row', (row) => {
  const { properties, resources } = synth({ stage: 'prod' })
  const settings = settingsOf('prod')
  const fn = properties(row.name)
  expect(fn).toMatchObject({ Runtime: 'nodejs24.x', Handler: 'index.handler', Architectures: ['arm64'], Timeout: row.timeoutSeconds })
  expect(fn.MemorySize).toBe(row.memoryMb * settings.memoryMultiplier)
  expect(fn.ReservedConcurrentExecutions).toBe(settings.reservedConcurrency[row.kind])
  expect(resources[fn.LoggingConfig.LogGroup.Ref]?.Properties.LogGroupName).toBe(`/soma/prod/${row.name}`)
  expect(fn.TracingConfig).toBeUndefined()
})

test.each(manifest)('$name as a task runs its task.ts, in a service unless it is a job', (row) => {
  const synthesised = synth({ compute: 'container' })
  const task = synthesised.properties(row.name)
  expect(task.ContainerDefinitions[0].Command).toEqual(['node', `functions/${row.name}/task.ts`])
  expect(task).toMatchObject({ Cpu: '512', Memory: '1024', RuntimePlatform: { CpuArchitecture: 'ARM64' } })
  const placed = synthesised.placed(row.name)
  if (placed.on !== 'task') throw new Error(`${row.name} is not a task.`)
  const services = ofType(synthesised.resources, 'AWS::ECS::Service').filter(
    ([, { Properties }]) => Properties.TaskDefinition.Ref === synthesised.logicalId(placed.definition.node.defaultChild),
  )
  expect(services.length).toBe(row.kind === 'job' ? 0 : 1)
})

test.each(manifest)('$name as a task writes nothing to its root, and is asked whether it is alive unless it is a job', (row) => {
  const synthesised = synth({ compute: 'container' })
  const [container] = synthesised.properties(row.name).ContainerDefinitions
  expect(container.ReadonlyRootFilesystem).toBe(true)
  expect(container.HealthCheck?.Command).toEqual(row.kind === 'job' ? undefined : ['CMD', ...aliveCommand])
  expect(synthesised.environment(row.name).PORT).toBe(row.kind === 'job' ? undefined : '8080')
})

describe.each(computeNames)('compute %s', (compute) => {
  test('schedules each job at its rate and nothing else', () => {
    const rules = ofType(synth({ compute }).resources, 'AWS::Events::Rule')
      // a function that is told to measure is no job
      .filter(([, { Properties }]) => Properties.Targets[0].Input !== '{"measure":true}')
      .map(([id, { Properties }]) => [id.replace(/Schedule\w+$/, ''), Properties.ScheduleExpression])
    const jobs = manifest.filter((row) => row.kind === 'job').filter((row) => row.everySeconds !== null)
    const whole: Record<number, string> = { 60: 'rate(1 minute)', 3600: 'rate(1 hour)', 86400: 'rate(1 day)' }
    const rate = (seconds: number) => whole[seconds] ?? `rate(${seconds / 60} minutes)`
    expect(Object.fromEntries(rules)).toEqual(Object.fromEntries(jobs.map(({ name, everySeconds }) => [pascalCase(name), rate(everySeconds ?? 0)])))
  })

  test('names the migration as an output', () => {
    const outputs = Object.keys(synth({ compute }).template.toJSON().Outputs)
    expect(outputs).toContain(compute === 'lambda' ? 'MigrateFunction' : 'MigrateTask')
  })
})

test.each(['lambda', 'mixed'] as const)('compute %s runs what streams as tasks behind a load balancer, and names its URL', (compute) => {
  const { template, placed } = synth({ compute })
  for (const name of ['export', 'import']) expect(placed(name).on).toBe('task')
  template.resourceCountIs('AWS::ECS::Cluster', 1)
  template.resourceCountIs('AWS::ElasticLoadBalancingV2::LoadBalancer', 1)
  const { Outputs } = template.toJSON()
  expect(Object.keys(Outputs)).toEqual(expect.arrayContaining(['Url', 'StreamUrl']))
})

test('the network has the endpoints that functions and tasks need, and no NAT', () => {
  const { template, resources } = synth()
  template.resourceCountIs('AWS::EC2::NatGateway', 0)
  const endpoints = ofType(resources, 'AWS::EC2::VPCEndpoint').map(([, { Properties }]) => /\.(\w+)"\]\]/.exec(JSON.stringify(Properties.ServiceName))?.[1])
  expect(endpoints.sort()).toEqual(['api', 'dkr', 'lambda', 'logs', 's3', 'secretsmanager'])
})

test('a row may only be placed on a host it lists; what lists no lambda is a task', () => {
  const [row] = manifest
  if (!row) throw new Error('The manifest is empty.')
  expect(() => targetOf({ ...row, hosts: ['lambda'] }, 'container')).toThrow(/store may not run on task: its row in functions\/manifest.ts lists lambda/)
  expect(() => targetOf({ ...row, hosts: ['local'] }, 'lambda')).toThrow(/store may not run on lambda/)
  expect(computeNames.map((compute) => targetOf({ ...row, hosts: ['task'] }, compute))).toEqual(['task', 'task', 'task'])
  expect(targetOf({ ...row, hosts: ['task'] }, 'container')).toBe('task')
})

test('a task has a size that Fargate sells', () => {
  expect([100, 512, 1024, 1500, 8192].map(fargateSize)).toEqual([
    { memoryLimitMiB: 512, cpu: 256 },
    { memoryLimitMiB: 512, cpu: 256 },
    { memoryLimitMiB: 1024, cpu: 512 },
    { memoryLimitMiB: 2048, cpu: 1024 },
    { memoryLimitMiB: 8192, cpu: 4096 },
  ])
})

test.each(computeNames)('with compute %s every handler knows where its spans go, when the stage says so', (compute) => {
  const otlpEndpoint = 'http://collector.internal:4318'
  for (const { name } of manifest) {
    expect(synth({ compute, settings: { otlpEndpoint } }).environment(name)).toMatchObject({ OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint })
    expect(synth({ compute }).environment(name)).not.toHaveProperty('OTEL_EXPORTER_OTLP_ENDPOINT')
  }
})
