import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { topics } from '../../functions/topics.ts'
import { computeNames } from '../../lib/context.ts'
import { secretsOf } from '../../lib/secrets.ts'
import { settingsOf, stageNames } from '../../lib/settings.ts'
import { asList, type Json, ofType, type Statement, synth } from './synth.ts'

const own = { own: true } as const
const only = (resources: Record<string, Json>, type: string): [string, Json] => {
  const [first, ...more] = ofType(resources, type)
  if (!first || more.length) throw new Error(`There are ${more.length + (first ? 1 : 0)} of ${type}.`)
  return [first[0], first[1].Properties]
}
const text = (value: unknown) => JSON.stringify(value)
const allows = (statements: Statement[], action: string) => statements.filter(({ Action }) => asList(Action).includes(action)).flatMap(({ Resource }) => asList(Resource))

describe.each(stageNames)('stage %s by itself', (stage) => {
  const { resources } = synth({ stage, ...own })
  const settings = settingsOf(stage)
  const [key] = only(resources, 'AWS::KMS::Key')

  test('has a database that is encrypted, asks for TLS, logs no value, and is reached by the handlers alone', () => {
    const [, cluster] = only(resources, 'AWS::RDS::DBCluster')
    expect(cluster).toMatchObject({
      Engine: 'aurora-postgresql',
      StorageEncrypted: true,
      BackupRetentionPeriod: settings.database?.backupDays,
      DeletionProtection: stage === 'prod',
    })
    expect(cluster.EngineVersion).toMatch(/^16\./)
    expect(text(cluster.KmsKeyId)).toContain(key)
    expect(cluster.ServerlessV2ScalingConfiguration).toMatchObject({ MinCapacity: settings.database?.capacity.least, MaxCapacity: settings.database?.capacity.most })
    expect(ofType(resources, 'AWS::RDS::DBInstance').length).toBe(1 + (settings.database?.readers ?? 0))
    for (const [, { Properties }] of ofType(resources, 'AWS::RDS::DBInstance')) expect(Properties.PubliclyAccessible).toBe(false)
    const [, parameters] = only(resources, 'AWS::RDS::DBClusterParameterGroup')
    expect(parameters.Parameters).toMatchObject({ 'rds.force_ssl': '1', log_parameter_max_length: '0', log_parameter_max_length_on_error: '0' })
    expect(resources[Object.keys(resources).find((id) => resources[id]?.Type === 'AWS::RDS::DBCluster') ?? '']?.DeletionPolicy).toBe(stage === 'prod' ? 'Snapshot' : 'Delete')
  })

  test('lets nobody in from everywhere, and its handlers out only to where they have to go', () => {
    const groups = ofType(resources, 'AWS::EC2::SecurityGroup').map(([, { Properties }]) => Properties)
    for (const { SecurityGroupIngress = [], GroupDescription } of groups) for (const { CidrIp } of SecurityGroupIngress) expect(CidrIp, GroupDescription).not.toBe('0.0.0.0/0')
    for (const [, { Properties }] of ofType(resources, 'AWS::EC2::SecurityGroupIngress')) expect(Properties.CidrIp).toBeUndefined()
    const handlers = groups.find(({ GroupDescription }) => GroupDescription === 'Soma handlers')
    const everywhere = handlers?.SecurityGroupEgress.filter(({ CidrIp }: Json) => CidrIp === '0.0.0.0/0')
    expect(everywhere.map(({ FromPort, ToPort }: Json) => [FromPort, ToPort])).toEqual([[443, 443]])
  })

  test('makes every secret that its handlers read, by its own key; the template has none of them', () => {
    for (const [, { Properties }] of ofType(resources, 'AWS::SecretsManager::Secret')) {
      expect(text(Properties.KmsKeyId)).toContain(key)
      expect(Properties.GenerateSecretString.PasswordLength).toBeGreaterThanOrEqual(30)
      expect(Properties.SecretString).toBeUndefined()
    }
    const made = synth({ stage, ...own })
    for (const row of manifest) {
      const arns = Object.entries(made.environment(row.name)).filter(([name]) => name.endsWith('_SECRET_ARN'))
      expect(arns.map(([name]) => name.replace('_SECRET_ARN', '')).sort()).toEqual([...secretsOf(row, settings)].sort())
      for (const [name, arn] of arns) expect(Object.keys(resources), name).toContain((arn as { Ref: string }).Ref)
    }
    // CloudFormation resolves these when it deploys: the master's password, and the cache's
    const resolved = ofType(resources, 'AWS::RDS::DBCluster').length + ofType(resources, 'AWS::ElastiCache::ReplicationGroup').length
    expect(text(resources).match(/\{\{resolve:secretsmanager:/g)?.length).toBe(resolved + ofType(resources, 'AWS::RDS::DBCluster').length)
  })

  test('keeps every log for as many days as the stage says, and by its key', () => {
    const logs = ofType(resources, 'AWS::Logs::LogGroup')
    for (const [, { Properties }] of logs) {
      expect(Properties.RetentionInDays).toBe(settings.logRetentionDays)
      expect(text(Properties.KmsKeyId)).toContain(key)
    }
    // CloudWatch may use the key for these names and no other
    const allowed = text(resources[key]?.Properties.KeyPolicy.Statement.find(({ Sid }: { Sid?: string }) => Sid === 'LogGroupsOfThisStage').Condition)
    for (const [, { Properties }] of logs) expect(allowed).toContain(/^\/soma\//.test(Properties.LogGroupName) ? `/soma/${stage}/*` : Properties.LogGroupName)
  })
})

describe.each(computeNames)('compute %s by itself', (compute) => {
  const synthesised = synth({ stage: 'prod', compute, ...own })
  const { resources, placed, logicalId } = synthesised
  const environment = (name: string) => synthesised.environment(name)
  const statements = (name: string) => synthesised.statements(name)
  const functionOf = (name: string) => {
    const on = placed(name)
    return on.on === 'lambda' ? logicalId(on.fn.node.defaultChild) : logicalId(on.definition.node.defaultChild)
  }

  test('locks backups for as long as the stage says: whoever writes them may set that, nobody else, and nobody may go past it', () => {
    const locked = ofType(resources, 'AWS::S3::Bucket').filter(([, { Properties }]) => Properties.ObjectLockEnabled)
    expect(locked.map(([, { Properties }]) => [Properties.VersioningConfiguration, Properties.ObjectLockConfiguration])).toEqual([[{ Status: 'Enabled' }, undefined]])
    const may = (action: string) => manifest.filter(({ name }) => allows(statements(name), action).length).map(({ name }) => name)
    expect(may('s3:PutObjectRetention')).toEqual(['backup', 'keep-backups'])
    expect(text(resources)).not.toContain('BypassGovernanceRetention')
    // Aurora goes back to any second by itself
    for (const name of ['backup', 'keep-backups']) expect(environment(name)).toMatchObject({ BACKUP_LOCK_DAYS: '30', BACKUP_INCREMENT_EVERY_HOURS: '0' })
  })

  test('migrates before any other handler is made or changed, after database and broker are there', () => {
    const [trigger] = Object.entries(resources).find(([, { Type }]) => Type === 'Custom::Trigger') ?? []
    expect(placed('migrate').on).toBe('lambda')
    for (const { name } of manifest) {
      const dependencies = asList(resources[functionOf(name)]?.DependsOn ?? [])
      if (name === 'migrate') expect(dependencies).not.toContain(trigger)
      else expect(dependencies, name).toContain(trigger)
    }
    const after = asList(resources[trigger ?? '']?.DependsOn)
    expect(after.some((id) => resources[id]?.Type === 'AWS::RDS::DBInstance')).toBe(true)
    expect(after.filter((id) => resources[id]?.Type === 'AWS::SecretsManager::SecretTargetAttachment').length).toBe(4)
    // the proxy is healthy once its logins are there, which the migration makes
    expect(after.some((id) => String(resources[id]?.Type).startsWith('AWS::RDS::DBProxy'))).toBe(false)
    for (const [, { DependsOn }] of ofType(resources, 'AWS::RDS::DBProxy')) expect(asList(DependsOn)).toContain(trigger)
    expect(after.some((id) => resources[id]?.Type === 'Custom::AWS')).toBe(true)
    // without its endpoint no function reads a secret
    for (const [id] of ofType(resources, 'AWS::EC2::VPCEndpoint')) expect(after).toContain(id)
  })

  test('only the migration knows the admin, and only it may make topics, those of the manifest', () => {
    for (const { name } of manifest) {
      expect('POSTGRES_ADMIN_URL_SECRET_ARN' in environment(name), name).toBe(name === 'migrate')
      expect(environment(name).KAFKA_MAKE_TOPICS, name).toBe(name === 'migrate' ? '1' : undefined)
      const created = allows(statements(name), 'kafka-cluster:CreateTopic')
      expect(created.length, name).toBe(name === 'migrate' ? topics.length : 0)
      for (const resource of created) expect(topics.some((topic) => text(resource).endsWith(`/${topic.name}"]]}`))).toBe(true)
    }
  })

  test('requests and workers come through the proxy, by TLS alone, with the logins of their roles', () => {
    const [proxyId, proxy] = only(resources, 'AWS::RDS::DBProxy')
    expect(proxy).toMatchObject({ RequireTLS: true, EngineFamily: 'POSTGRESQL' })
    expect(proxy.Auth.length).toBe(2)
    for (const auth of proxy.Auth) expect(auth.ClientPasswordAuthType).toBe('POSTGRES_SCRAM_SHA_256')
    for (const { name } of manifest) {
      expect(environment(name).POSTGRES_SSL_ROOT_CERT).toBe('aws')
      expect(environment(name).POSTGRES_HOST).toEqual(name === 'migrate' ? undefined : { 'Fn::GetAtt': [proxyId, 'Endpoint'] })
    }
  })

  test('whoever reads a secret that the stack makes may decrypt it: the proxy too', () => {
    const readers = ofType(resources, 'AWS::IAM::Policy').filter(([, { Properties }]) => allows(Properties.PolicyDocument.Statement, 'secretsmanager:GetSecretValue').length)
    expect(readers.some(([id]) => id.includes('ProxyRole'))).toBe(true)
    const [key] = only(resources, 'AWS::KMS::Key')
    for (const [id, { Properties }] of readers) expect(text(allows(Properties.PolicyDocument.Statement, 'kms:Decrypt')), id).toContain(key)
  })

  test('the logins get new passwords every thirty days, from a function that reaches the database and the secrets alone', () => {
    const schedules = ofType(resources, 'AWS::SecretsManager::RotationSchedule').map(([, { Properties }]) => Properties)
    expect(schedules.length).toBe(3)
    for (const { HostedRotationLambda, RotationRules } of schedules) {
      expect(HostedRotationLambda.RotationType).toBe('PostgreSQLSingleUser')
      expect(RotationRules.ScheduleExpression).toBe('rate(30 days)')
    }
  })

  test('has a broker in each of three zones, by TLS and IAM alone, that makes no topic by itself', () => {
    const [id, cluster] = only(resources, 'AWS::MSK::Cluster')
    expect(cluster).toMatchObject({ NumberOfBrokerNodes: 3, ClientAuthentication: { Sasl: { Iam: { Enabled: true } }, Unauthenticated: { Enabled: false } } })
    expect(cluster.EncryptionInfo.EncryptionInTransit).toEqual({ ClientBroker: 'TLS', InCluster: true })
    expect(cluster.BrokerNodeGroupInfo.ClientSubnets.length).toBe(3)
    const [, configuration] = only(resources, 'AWS::MSK::Configuration')
    expect(configuration.ServerProperties).toContain('auto.create.topics.enable=false')
    const servers = environment('drain-outbox').KAFKA_BOOTSTRAP_SERVERS
    expect(text(servers)).toContain('BootstrapBrokerStringSaslIam')
    const written = allows(statements('drain-outbox'), 'kafka-cluster:WriteData')
    expect(written.length).toBe(1)
    expect(text(written)).toContain(id)
    expect(text(written)).toContain('/memory.events"')
  })

  test('has a Redis that asks for TLS and a password and throws nothing away', () => {
    const [, group] = only(resources, 'AWS::ElastiCache::ReplicationGroup')
    expect(group).toMatchObject({ TransitEncryptionEnabled: true, TransitEncryptionMode: 'required', AtRestEncryptionEnabled: true, AutomaticFailoverEnabled: true })
    expect(text(group.AuthToken)).toMatch(/\{\{resolve:secretsmanager:.*:SecretString:password::\}\}/)
    expect(only(resources, 'AWS::ElastiCache::ParameterGroup')[1].Properties).toEqual({ 'maxmemory-policy': 'noeviction' })
    for (const row of manifest) expect('REDIS_HOST' in environment(row.name), row.name).toBe(row.secrets.includes('REDIS_URL'))
  })

  test('no policy names every resource but for a reason', () => {
    const reasons: Record<string, string> = {
      'ecr:GetAuthorizationToken': 'belongs to no repository',
      'ec2:DescribeSecurityGroups': 'of the pollers: AWS takes no resource for it',
      'ec2:DescribeSubnets': 'the same',
      'ec2:DescribeVpcs': 'the same',
    }
    const all = ofType(resources, 'AWS::IAM::Policy').flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement as Statement[])
    const wide = all.filter(({ Resource }) => asList(Resource).includes('*')).flatMap(({ Action }) => asList(Action))
    expect(wide.filter((action) => !(action in reasons))).toEqual([])
  })
})

test('handlers reach the URLs of the settings, by their ports', () => {
  const { resources } = synth({
    stage: 'dev',
    own: true,
    settings: {
      otlpEndpoint: 'http://collector.internal:4318',
      variables: { EMBEDDER: 'http', EMBEDDING_MODEL: 'm', EMBEDDING_URL: 'http://embed.internal', JWT_ISSUER: 'https://login.internal:8443', JWT_AUDIENCE: 'soma' },
    },
  })
  const handlers = ofType(resources, 'AWS::EC2::SecurityGroup').find(([, { Properties }]) => Properties.GroupDescription === 'Soma handlers')?.[1].Properties
  const open = handlers.SecurityGroupEgress.filter(({ CidrIp }: Json) => CidrIp === '0.0.0.0/0').map(({ FromPort }: Json) => FromPort)
  expect(open.sort()).toEqual([443, 4318, 80, 8443].sort())
})

test('three brokers want three subnets', () => {
  const vpc = { vpcId: 'vpc-0a1b2c3d', vpcCidr: '10.1.0.0/16' }
  expect(() => synth({ stage: 'prod', own: true, context: { ...vpc, subnetIds: 'subnet-0a1b2c3d,subnet-0b1c2d3e' } })).toThrow(/exactly three subnets/)
  const { resources } = synth({ stage: 'prod', own: true, context: { ...vpc, subnetIds: 'subnet-0a1b2c3d,subnet-0b1c2d3e,subnet-0c1d2e3f' } })
  expect(only(resources, 'AWS::MSK::Cluster')[1].BrokerNodeGroupInfo.ClientSubnets).toEqual(['subnet-0a1b2c3d', 'subnet-0b1c2d3e', 'subnet-0c1d2e3f'])
})
