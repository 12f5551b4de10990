import { Duration } from 'aws-cdk-lib'
import { Repository } from 'aws-cdk-lib/aws-ecr'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import type { Construct } from 'constructs'
import type { HostProps, Placed, TaskPlatform } from './handler.ts'
import type { Network } from './network.ts'
import type { Stage } from './settings.ts'

/** Where an http task listens. */
export const port = 8080

/** The cluster and the image of all tasks. `image` is a URI; without it: the repository soma-memory, the tag of the stage's name. */
export function taskPlatform(scope: Construct, { network, stage, image }: { network: Network; stage: Stage; image: string | undefined }): TaskPlatform {
  return { cluster: new ecs.Cluster(scope, 'Cluster', { vpc: network.vpc }), image: containerImage(scope, stage, image) }
}

function containerImage(scope: Construct, stage: Stage, uri: string | undefined): ecs.ContainerImage {
  if (!uri) return ecs.ContainerImage.fromEcrRepository(Repository.fromRepositoryName(scope, 'Repository', 'soma-memory'), stage)
  const ecr = /^(\d{12})\.dkr\.ecr\.([\w-]+)\.amazonaws\.com(\.cn)?\/([^:@]+)(?:[:@](.+))?$/.exec(uri)
  if (!ecr) return ecs.ContainerImage.fromRegistry(uri)
  // Named as a registry only, an ECR image would come without the permission to pull it.
  const [, account, region, china, repositoryName = '', tagOrDigest] = ecr
  const repositoryArn = `arn:${china ? 'aws-cn' : 'aws'}:ecr:${region}:${account}:repository/${repositoryName}`
  return ecs.ContainerImage.fromEcrRepository(Repository.fromRepositoryAttributes(scope, 'Repository', { repositoryName, repositoryArn }), tagOrDigest)
}

/** The row as a Fargate task that runs `functions/<name>/task.ts`: a service for http and records, a bare task definition for a job. */
export function fargateTask(scope: Construct, props: HostProps): Extract<Placed, { on: 'task' }> {
  const { row, settings, network, platform, logGroup, environment } = props
  if (!platform) throw new Error(`The handler ${row.name} runs as a task, but its stack has no task platform: create it with taskPlatform().`)
  const definition = new ecs.FargateTaskDefinition(scope, 'Task', {
    ...fargateSize(row.memoryMb * settings.memoryMultiplier),
    runtimePlatform: {
      operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      cpuArchitecture: settings.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
    },
  })
  const container = definition.addContainer(row.name, {
    image: platform.image,
    command: ['node', `functions/${row.name}/task.ts`],
    environment: row.kind === 'http' ? { ...environment, HOST: '0.0.0.0', PORT: String(port) } : environment,
    portMappings: row.kind === 'http' ? [{ containerPort: port }] : [],
    logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: row.name }),
  })
  if (row.kind === 'job') return { on: 'task', definition, container }
  const service = new ecs.FargateService(scope, 'Service', {
    cluster: platform.cluster,
    taskDefinition: definition,
    desiredCount: settings.desiredTaskCount,
    minHealthyPercent: 100,
    circuitBreaker: { rollback: true },
    healthCheckGracePeriod: row.kind === 'http' ? Duration.seconds(60) : undefined,
    vpcSubnets: network.subnets,
    securityGroups: [network.handlers],
  })
  return { on: 'task', definition, container, service }
}

/** Fargate sells memory in steps, with CPU in proportion: the next power of two from 512 MiB, at 1 vCPU for 2 GiB. */
export function fargateSize(memoryMb: number): { memoryLimitMiB: number; cpu: number } {
  const memoryLimitMiB = Math.min(32_768, Math.max(512, 2 ** Math.ceil(Math.log2(memoryMb))))
  return { memoryLimitMiB, cpu: memoryLimitMiB / 2 }
}
