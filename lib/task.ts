import { fileURLToPath } from 'node:url'
import { Duration, IgnoreMode } from 'aws-cdk-lib'
import { Repository } from 'aws-cdk-lib/aws-ecr'
import { Platform } from 'aws-cdk-lib/aws-ecr-assets'
import * as ecs from 'aws-cdk-lib/aws-ecs'
import type { Construct } from 'constructs'
import type { HostProps, Placed, TaskPlatform } from './handler.ts'
import type { Network } from './network.ts'
import type { Settings, Stage } from './settings.ts'

/** Where a service listens. */
export const port = 8080

/** Alive, not ready: what ECS asks a service, as the Dockerfile's HEALTHCHECK asks elsewhere (ECS does not read that one). */
// biome-ignore lint/suspicious/noTemplateCurlyInString: the container's shell-less Node fills it in
export const aliveCommand = ['node', '-e', 'fetch(`http://127.0.0.1:${process.env.PORT || 9595}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))']

export type PlatformProps = { network: Network; stage: Stage; settings: Settings; image: string | undefined }

/** The cluster and the image of all tasks. `image` is a URI, or `Dockerfile`: made from this checkout's by the deployment; without it: the repository soma-memory, the tag of the stage's name. */
export function taskPlatform(scope: Construct, props: PlatformProps): TaskPlatform {
  return { cluster: new ecs.Cluster(scope, 'Cluster', { vpc: props.network.vpc, containerInsightsV2: ecs.ContainerInsights.DISABLED }), image: containerImage(scope, props) }
}

function containerImage(scope: Construct, { stage, settings, image: uri }: PlatformProps): ecs.ContainerImage {
  if (uri === 'Dockerfile') {
    const platform = settings.architecture === 'arm64' ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64
    return ecs.ContainerImage.fromAsset(fileURLToPath(new URL('..', import.meta.url)), { platform, ignoreMode: IgnoreMode.DOCKER })
  }
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
    environment: row.kind === 'job' ? environment : { ...environment, HOST: '0.0.0.0', PORT: String(port) },
    portMappings: row.kind === 'http' ? [{ containerPort: port }] : [],
    // a job ends by itself; a service that does not answer is replaced
    ...(row.kind === 'job' ? {} : { healthCheck: { command: ['CMD', ...aliveCommand], startPeriod: Duration.seconds(60) } }),
    readonlyRootFilesystem: true,
    logging: ecs.LogDrivers.awsLogs({ logGroup, streamPrefix: row.name }),
  })
  if (row.kind === 'job') return { on: 'task', definition, container }
  const { least, most } = settings.tasks
  const service = new ecs.FargateService(scope, 'Service', {
    cluster: platform.cluster,
    taskDefinition: definition,
    // how many there are is the scaling's business: a deployment that named a number would set them back to it
    ...(most > least ? {} : { desiredCount: least }),
    minHealthyPercent: 100,
    circuitBreaker: { rollback: true },
    // what stands behind no load balancer has nothing to switch, and rolls
    ...(row.kind === 'http' && settings.blueGreen ? { deploymentStrategy: ecs.DeploymentStrategy.BLUE_GREEN, bakeTime: Duration.minutes(settings.blueGreen.bakeMinutes) } : {}),
    healthCheckGracePeriod: row.kind === 'http' ? Duration.seconds(60) : undefined,
    vpcSubnets: network.subnets,
    securityGroups: [network.handlers],
  })
  if (most > least) {
    const scaling = service.autoScaleTaskCount({ minCapacity: least, maxCapacity: most })
    scaling.scaleOnCpuUtilization('Cpu', { targetUtilizationPercent: 60, scaleInCooldown: Duration.minutes(5), scaleOutCooldown: Duration.minutes(1) })
  }
  return { on: 'task', definition, container, service }
}

/** Fargate sells memory in steps, with CPU in proportion: the next power of two from 512 MiB, at 1 vCPU for 2 GiB. */
export function fargateSize(memoryMb: number): { memoryLimitMiB: number; cpu: number } {
  const memoryLimitMiB = Math.min(32_768, Math.max(512, 2 ** Math.ceil(Math.log2(memoryMb))))
  return { memoryLimitMiB, cpu: memoryLimitMiB / 2 }
}
