import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { ContextError, givenVpc, readContext } from '../../lib/context.ts'
import { Settings, settingsOf } from '../../lib/settings.ts'
import { ofType, synth } from './synth.ts'

const read = (context: Record<string, unknown>) => readContext(new App({ context }).node)
const vpc = { vpcId: 'vpc-0a1b2c3d', vpcCidr: '10.1.0.0/16', subnetIds: 'subnet-0a1b2c3d,subnet-0b1c2d3e' }

describe('a wrong context key is answered with its name and what it takes', () => {
  test.each([
    [{ stage: 'production', compute: 'lambda' }, /"stage" cannot be "production": it takes dev, staging, prod/],
    [{ compute: 'lambda' }, /"stage" is not set: it takes dev, staging, prod/],
    [{ stage: 'dev', compute: 'fargate' }, /"compute" cannot be "fargate": it takes lambda, container, mixed/],
    [{ stage: 'dev', compute: 'lambda', ...vpc, subnetIds: 'subnet-0a1b2c3d' }, /"subnetIds" cannot be "subnet-0a1b2c3d": it takes subnet ids in at least two zones/],
    [{ stage: 'dev', compute: 'lambda', ...vpc, vpcCidr: '10.1.0.0' }, /"vpcCidr" cannot be "10.1.0.0"/],
  ])('%o', (context, message) => {
    expect(() => read(context)).toThrow(ContextError)
    expect(() => read(context)).toThrow(message)
  })

  test('half a VPC is not guessed', () => {
    expect(() => givenVpc(read({ stage: 'dev', compute: 'lambda', vpcId: 'vpc-0a1b2c3d' }))).toThrow(/belong together/)
  })
})

test('a given VPC is used and none is created', () => {
  const { template, properties } = synth({ compute: 'mixed', context: vpc })
  template.resourceCountIs('AWS::EC2::VPC', 0)
  template.resourceCountIs('AWS::EC2::VPCEndpoint', 0)
  expect(properties('store').VpcConfig.SubnetIds).toEqual(['subnet-0a1b2c3d', 'subnet-0b1c2d3e'])
})

describe('the image of the tasks', () => {
  const imageOf = (image?: string) => {
    const { properties, resources } = synth({ compute: 'container', context: { image } })
    const pulls = ofType(resources, 'AWS::IAM::Policy').filter(([, resource]) => JSON.stringify(resource).includes('ecr:BatchGetImage'))
    return { image: JSON.stringify(properties('store').ContainerDefinitions[0].Image), pulls: pulls.length }
  }

  test('is the stage of the repository soma-memory by default', () => {
    const { image, pulls } = imageOf()
    expect(image).toContain('/soma-memory:dev')
    expect(pulls).toBe(manifest.length)
  })

  test('of another account comes with the permission to pull it', () => {
    const { image, pulls } = imageOf('123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/soma:1.2.3')
    expect(image).toContain('123456789012.dkr.ecr.eu-central-1.')
    expect(image).toContain('/team/soma:1.2.3')
    expect(pulls).toBe(manifest.length)
  })

  test('by digest keeps the digest', () => {
    expect(imageOf(`123456789012.dkr.ecr.eu-central-1.amazonaws.com/soma@sha256:${'a'.repeat(64)}`).image).toContain(`/soma@sha256:${'a'.repeat(64)}`)
  })

  test('is made from the Dockerfile of this checkout on request, for the architecture of the stage', () => {
    const { outdir, stack, properties } = synth({ compute: 'container', context: { image: 'Dockerfile' } })
    const { dockerImages } = JSON.parse(readFileSync(join(outdir, `${stack.artifactId}.assets.json`), 'utf8'))
    const [asset] = Object.values(dockerImages) as { source: { directory: string; platform: string } }[]
    expect(Object.keys(dockerImages).length).toBe(1)
    expect(asset?.source.platform).toBe('linux/arm64')
    // what .dockerignore leaves out is not even copied
    expect(readdirSync(join(outdir, asset?.source.directory ?? '')).sort()).toEqual([
      '.dockerignore',
      'Dockerfile',
      'LICENSE',
      'bin',
      'functions',
      'local',
      'package-lock.json',
      'package.json',
      'shared',
    ])
    for (const { name } of manifest) expect(JSON.stringify(properties(name).ContainerDefinitions[0].Image)).toContain(Object.keys(dockerImages)[0])
  })

  test('of a public registry is taken as it is', () => {
    expect(imageOf('ghcr.io/acme/soma:1')).toEqual({ image: '"ghcr.io/acme/soma:1"', pulls: 0 })
  })
})

test('the settings of a stage are checked', () => {
  expect(() => Settings.parse({ ...settingsOf('dev'), logRetentionDays: 8 })).toThrow(/logRetentionDays/)
  expect(() => Settings.parse({ ...settingsOf('dev'), secretPrefix: 'soma/dev/' })).toThrow(/ends with a letter/)
  expect(settingsOf('prod').removalPolicy).toBe('retain')
})
