import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { computeNames } from '../../lib/context.ts'
import { functionVariable } from '../../lib/handler.ts'
import { targetOf } from '../../lib/placement.ts'
import { asList, ofType, type Statement, synth } from './synth.ts'

const allows = (statements: Statement[], action: string) => statements.filter(({ Action }) => asList(Action).includes(action)).flatMap(({ Resource }) => asList(Resource))
const secretNames = (resources: unknown[]) => resources.map((resource) => /:secret:soma\/dev\/([A-Z_]+)-\?{6}"/.exec(JSON.stringify(resource))?.[1])
const inArchives: Record<string, string[]> = { write: ['s3:AbortMultipartUpload', 's3:DeleteObject', 's3:PutObject'], read: ['s3:GetObject'], nothing: [] }
const inTransfers = { get: ['s3:GetObject'], put: ['s3:PutObject', 's3:AbortMultipartUpload'], remove: ['s3:DeleteObject'] }
const allSecrets = new Set(manifest.flatMap((row) => row.secrets))

describe.each(computeNames)('compute %s', (compute) => {
  const synthesised = synth({ compute })

  test.each(manifest)('$name reads exactly the secrets of its row, and knows them by ARN', (row) => {
    const { name } = row
    // a broker's password where there is a broker: kafka.test.ts
    const secrets = row.secrets.filter((secret) => !['KAFKA_SASL_PASSWORD', 'REDIS_URL', 'MILVUS_TOKEN', 'EMBEDDING_API_KEY', 'EMBEDDING_NEXT_API_KEY'].includes(secret))
    expect(secretNames(allows(synthesised.statements(name), 'secretsmanager:GetSecretValue')).sort()).toEqual([...secrets].sort())
    const environment = synthesised.environment(name)
    const variables = Object.keys(environment).filter((variable) => variable.endsWith('_SECRET_ARN'))
    expect(variables.sort()).toEqual(secrets.map((secret) => `${secret}_SECRET_ARN`).sort())
    for (const secret of secrets) expect(JSON.stringify(environment[`${secret}_SECRET_ARN`])).toContain(`:secret:soma/dev/${secret}"`)
  })

  test('where the stage has a Redis, what serves requests may read its URL, and nothing else may', () => {
    const withRedis = synth({ compute, settings: { redis: 'given' } })
    const readers = manifest.filter(({ name }) => secretNames(allows(withRedis.statements(name), 'secretsmanager:GetSecretValue')).includes('REDIS_URL'))
    expect(readers).toEqual(manifest.filter((row) => row.kind === 'http'))
    for (const { name } of readers) expect(withRedis.environment(name)).toHaveProperty('REDIS_URL_SECRET_ARN')
  })

  test('where the stage has a Milvus that takes a token, what searches or writes vectors may read it, and every handler knows where it is', () => {
    const milvus = { host: 'milvus.internal', port: 19530, tls: true, token: true }
    const withMilvus = synth({ compute, settings: { milvus } })
    const readers = manifest.filter(({ name }) => secretNames(allows(withMilvus.statements(name), 'secretsmanager:GetSecretValue')).includes('MILVUS_TOKEN'))
    expect(readers.map(({ name }) => name).sort()).toEqual(['build-ann', 'drain-outbox', 'guide', 'index-vectors', 'recall', 'reembed', 'status', 'verify-index'])
    for (const { name } of manifest)
      expect(withMilvus.environment(name)).toMatchObject({ VECTOR_ENGINE: 'milvus', MILVUS_HOST: 'milvus.internal', MILVUS_PORT: '19530', MILVUS_TLS: '1' })
    const open = synth({ compute, settings: { milvus: { ...milvus, token: false } } })
    for (const { name } of manifest) expect(open.environment(name)).not.toHaveProperty('MILVUS_TOKEN_SECRET_ARN')
  })

  test('where an embedding service is asked, what embeds may read its key, and nothing else may', () => {
    const asking = synth({ compute, settings: { variables: { EMBEDDER: 'http', EMBEDDING_URL: 'https://embed.internal', EMBEDDING_MODEL: 'm' } } })
    const readers = manifest.filter(({ name }) => secretNames(allows(asking.statements(name), 'secretsmanager:GetSecretValue')).includes('EMBEDDING_API_KEY'))
    expect(readers.map(({ name }) => name).sort()).toEqual(['guide', 'index-vectors', 'recall', 'reembed', 'verify-index'])
    for (const { name } of manifest) expect(asking.environment(name)).toMatchObject({ EMBEDDER: 'http', EMBEDDING_MODEL: 'm' })
  })

  test('while another embedding model is introduced, what embeds may read its key, and nothing else may', () => {
    const introducing = synth({ compute, settings: { nextEmbedderKey: true } })
    const readers = manifest.filter(({ name }) => secretNames(allows(introducing.statements(name), 'secretsmanager:GetSecretValue')).includes('EMBEDDING_NEXT_API_KEY'))
    expect(readers.map(({ name }) => name).sort()).toEqual(['guide', 'index-vectors', 'recall', 'reembed', 'verify-index'])
    for (const { name } of readers) expect(introducing.environment(name)).toHaveProperty('EMBEDDING_NEXT_API_KEY_SECRET_ARN')
  })

  test.each(manifest)('$name invokes exactly the functions its row names', ({ name, invokes = [] }) => {
    const reachable = manifest.filter((row) => invokes.includes(row.name) && targetOf(row, compute) === 'lambda').map((row) => row.name)
    const functionId = (target: string) => {
      const placed = synthesised.placed(target)
      return placed.on === 'lambda' ? synthesised.logicalId(placed.fn.node.defaultChild) : undefined
    }
    const granted = allows(synthesised.statements(name), 'lambda:InvokeFunction').map((resource) => /"Fn::GetAtt":\["(\w+)","Arn"\]/.exec(JSON.stringify(resource))?.[1])
    expect(new Set(granted)).toEqual(new Set(reachable.map(functionId)))
    const named = Object.entries(synthesised.environment(name)).filter(([variable]) => variable.startsWith('FUNCTION_'))
    expect(Object.fromEntries(named)).toEqual(Object.fromEntries(reachable.map((target) => [functionVariable(target), { Ref: functionId(target) }])))
  })

  test.each(manifest)('$name may do in the bucket what its row says, of archives and of transfers under the prefix of each, and nothing besides', (row) => {
    const { name, archives = 'nothing', transfers = [] } = row
    const statements = synthesised.statements(name)
    const actions = new Set(statements.flatMap(({ Action }) => asList(Action)))
    const other = [...actions].filter((action) => !['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret', 'lambda:InvokeFunction'].includes(action))
    const [bucket] = ofType(synthesised.resources, 'AWS::S3::Bucket')
      .filter(([, { Properties }]) => Properties.VersioningConfiguration)
      .map(([id]) => id)
    const arn = { 'Fn::GetAtt': [bucket, 'Arn'] }
    const under = (prefix: string) => ({ 'Fn::Join': ['', [arn, `/${prefix}/*`]] })
    const wanted = new Map<string, unknown[]>()
    for (const action of inArchives[archives] as string[]) wanted.set(action, [under('backups')])
    for (const action of transfers.flatMap((one) => inTransfers[one])) wanted.set(action, [...(wanted.get(action) ?? []), under('transfers')])
    if (wanted.size) {
      const key = { 'Fn::GetAtt': [ofType(synthesised.resources, 'AWS::KMS::Key')[0]?.[0], 'Arn'] }
      wanted.set('s3:ListBucket', [arn])
      wanted.set('kms:Decrypt', [key])
      if (wanted.has('s3:PutObject')) wanted.set('kms:GenerateDataKey', [key])
    }
    expect(other.sort()).toEqual([...wanted.keys()].sort())
    for (const [action, resources] of wanted) expect(allows(statements, action)).toEqual(resources)
    const { BACKUP_BUCKET, BACKUP_PREFIX } = synthesised.environment(name)
    expect([BACKUP_BUCKET, BACKUP_PREFIX]).toEqual([wanted.size ? { Ref: bucket } : undefined, archives === 'nothing' ? undefined : 'backups'])
  })

  test('no variable holds a secret itself', () => {
    for (const { name } of manifest) expect(Object.keys(synthesised.environment(name)).filter((variable) => allSecrets.has(variable))).toEqual([])
    expect(JSON.stringify(synthesised.resources)).not.toContain('{{resolve:secretsmanager')
  })

  test('no policy names every resource, but for the ECR token, which belongs to no repository', () => {
    const statements = ofType(synthesised.resources, 'AWS::IAM::Policy').flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement as Statement[])
    const wide = statements.filter(({ Action, Resource }) => asList(Resource).includes('*') || asList(Action).some((action) => action.includes('*')))
    expect(new Set(wide.flatMap(({ Action }) => asList(Action)))).toEqual(new Set(['ecr:GetAuthorizationToken']))
  })
})
