import { topics } from '../../functions/topics.ts'
import { assumed, hoursAMonth } from './assumptions.ts'
import { awakeAcu, awakeHours, instancesOf, invocation, taskOf } from './capacity.ts'
import { dollarsOf, type PriceName, priceNamed } from './prices.ts'
import { firesAMonth, ofType, type Properties, type Resource, type Resources, referred } from './template.ts'

/** One line of a bill: dollars a month. */
export type Line = { what: string; count: string; dollars: number }
type Pricer = (ones: Resource[], all: Resources) => Line[]

const line = (what: string, count: number, unit: string, dollars: number): Line => ({ what, count: `${Number(count.toPrecision(4)).toLocaleString('en')} ${unit}`, dollars })
const byMonth = (what: string, count: number, name: PriceName, each = ''): Line => line(what, count, each, count * dollarsOf(name))
const sum = <T>(ones: readonly T[], of: (one: T) => number): number => ones.reduce((total, one) => total + of(one), 0)

/** What is paid by the hour or the month although nobody asks anything, by type of resource. */
const priced: Record<string, Pricer> = {
  'AWS::EC2::VPCEndpoint': (ones) => {
    const zones = sum(ones, ({ properties }) => (properties.VpcEndpointType === 'Interface' ? properties.SubnetIds.length : 0))
    return [line('interface endpoints', zones, 'endpoints × zones', zones * hoursAMonth * dollarsOf('endpoint'))]
  },
  'AWS::RDS::DBInstance': (ones, all) => {
    const hours = awakeHours(all) * instancesOf(all) * awakeAcu(all)
    return [line(`Aurora, ${ones.length} awake at least`, hours, 'ACU-hours', hours * dollarsOf('acu'))]
  },
  'AWS::RDS::DBProxy': (_, all) => {
    const acu = Math.max(8, awakeAcu(all) * instancesOf(all))
    return [line('RDS Proxy', acu, 'ACU', acu * hoursAMonth * dollarsOf('proxy'))]
  },
  'AWS::MSK::Cluster': (ones) => ones.flatMap(({ properties }) => brokers(properties)),
  'AWS::Lambda::EventSourceMapping': (ones) => {
    const groups = Map.groupBy(ones, ({ properties }) => properties.ProvisionedPollerConfig?.PollerGroupName)
    const units = sum([...groups.values()], (group) => Math.ceil(sum(group, ({ properties }) => properties.ProvisionedPollerConfig?.MinimumPollers ?? 0) / 10))
    return [line('provisioned pollers', units, 'EPU', units * hoursAMonth * dollarsOf('pollerUnit'))]
  },
  'AWS::ElastiCache::ReplicationGroup': (ones) =>
    ones.map(({ properties: { CacheNodeType: type, NumNodeGroups: groups, ReplicasPerNodeGroup: replicas } }) => {
      const nodes = groups * (1 + replicas)
      return line('ElastiCache', nodes, type, nodes * hoursAMonth * priceNamed(type).dollars)
    }),
  'AWS::ECS::Service': (ones, all) => {
    const tasks = ones.map((service) => ({ many: tasksOf(service, all), ...taskOf(referred(all, service.properties.TaskDefinition)) }))
    const dollars = sum(tasks, ({ many, dollarsAnHour }) => many * dollarsAnHour * hoursAMonth)
    return [
      line(
        'Fargate, tasks of services',
        sum(tasks, ({ many }) => many),
        'tasks',
        dollars,
      ),
    ]
  },
  'AWS::ECS::Cluster': (ones, all) => {
    if (!JSON.stringify(ones).includes('"enabled"')) return []
    const { insightsCluster, insightsService, insightsFamily } = assumed
    const [services, families] = [ofType(all, 'AWS::ECS::Service').length, ofType(all, 'AWS::ECS::TaskDefinition').length]
    return [byMonth('Container Insights', insightsCluster.value + services * insightsService.value + families * insightsFamily.value, 'metric', 'metrics')]
  },
  'AWS::ElasticLoadBalancingV2::LoadBalancer': (ones) => [line('load balancer', ones.length, '', ones.length * hoursAMonth * dollarsOf('balancer'))],
  'AWS::WAFv2::WebACL': (ones) => {
    const rules = sum(ones, ({ properties }) => properties.Rules.length)
    return [line('firewall', rules, 'rules', ones.length * dollarsOf('firewall') + rules * dollarsOf('firewallRule'))]
  },
  'AWS::KMS::Key': (ones) => [
    byMonth(
      'key',
      sum(ones, ({ properties }) => 1 + (properties.EnableKeyRotation ? assumed.keyTurns.value : 0)),
      'key',
      'with its turns',
    ),
  ],
  'AWS::SecretsManager::Secret': (ones) => [byMonth('secrets', ones.length, 'secret')],
  'AWS::CloudWatch::Alarm': (ones) => {
    const metrics = ones.flatMap(({ properties }) => metricsOf(properties))
    const own = new Set(
      metrics.filter(({ Namespace }) => !Namespace.startsWith('AWS/')).map(({ Namespace, MetricName, Dimensions }) => JSON.stringify([Namespace, MetricName, Dimensions])),
    )
    return [byMonth('alarms', metrics.length, 'alarm', 'metrics looked at'), ...(own.size ? [byMonth('own metrics', own.size + assumed.metricsUnwatched.value, 'metric')] : [])]
  },
  'AWS::CloudWatch::CompositeAlarm': (ones) => [byMonth('composite alarms', ones.length, 'compositeAlarm')],
  'AWS::CloudWatch::Dashboard': (ones) => [byMonth('dashboard', ones.length, 'dashboard')],
  'AWS::Events::Rule': (ones, all) => {
    const ticks = ones.map((rule) => ({ times: firesAMonth(rule), dollars: tick(rule, all) }))
    return [
      line(
        'jobs by schedule',
        sum(ticks, ({ times }) => times),
        'ticks',
        sum(ticks, ({ times, dollars }) => times * dollars),
      ),
    ]
  },
}

/** What costs nothing while nobody asks, and why. A type that is neither here nor priced fails the test. */
export const free: Record<string, string> = {
  'AWS::ApiGatewayV2::*': 'paid by the request',
  'AWS::ApplicationAutoScaling::*': 'free; its alarms are counted by the tasks it makes',
  'AWS::CloudFormation::*': 'free for resources of AWS',
  'AWS::EC2::FlowLog': 'paid by the GB of log, and only refused packets are logged',
  'AWS::EC2::RouteTable': 'free',
  'AWS::EC2::SecurityGroup*': 'free',
  'AWS::EC2::Subnet*': 'free',
  'AWS::EC2::VPC': 'free without NAT and public addresses',
  'AWS::ECS::TaskDefinition': 'paid as a task of a service or of a schedule',
  'AWS::ElastiCache::ParameterGroup': 'free',
  'AWS::ElastiCache::SubnetGroup': 'free',
  'AWS::ElasticLoadBalancingV2::Listener*': 'a part of the load balancer',
  'AWS::ElasticLoadBalancingV2::TargetGroup': 'a part of the load balancer',
  'AWS::IAM::*': 'free',
  'AWS::KMS::Alias': 'free',
  'AWS::Lambda::EventInvokeConfig': 'free',
  'AWS::Lambda::Function': 'paid by the call; none has provisioned concurrency',
  'AWS::Lambda::Permission': 'free',
  'AWS::Lambda::Version': 'free',
  'AWS::Logs::LogGroup': 'paid by the GB; those of ticks and requests are counted there',
  'AWS::MSK::Configuration': 'free',
  'AWS::RDS::DBCluster': 'paid as its instances; storage, I/O and backups by the memory',
  'AWS::RDS::DBClusterParameterGroup': 'free',
  'AWS::RDS::DBProxyTargetGroup': 'a part of the proxy',
  'AWS::RDS::DBSubnetGroup': 'free',
  'AWS::S3::*': 'paid by the GB; backups are counted by the memory',
  'AWS::SNS::*': 'paid by the message; the first 1,000 e-mails a month are free',
  'AWS::Scheduler::ScheduleGroup': 'paid by the invocation of its schedules; those that stores arm are counted there',
  'AWS::SecretsManager::ResourcePolicy': 'free',
  'AWS::SecretsManager::RotationSchedule': 'a call of a function a month',
  'AWS::SecretsManager::SecretTargetAttachment': 'free',
  'AWS::WAFv2::LoggingConfiguration': 'paid by the GB of log, and only refused requests are logged',
  'AWS::WAFv2::WebACLAssociation': 'a part of the firewall',
  'Custom::*': 'runs in a deployment',
}

const isFree = (type: string) => Object.keys(free).some((name) => (name.endsWith('*') ? type.startsWith(name.slice(0, -1)) : type === name))

/** Types of which the model does not know what they cost. */
export const unknownTypes = (resources: Resources): string[] => [...new Set(resources.map(({ type }) => type))].filter((type) => !(Object.hasOwn(priced, type) || isFree(type)))

/** The bill of a month in which nobody asks anything, the dearest first. @throws Error for a type that is neither priced nor known to be free */
export function idleLines(resources: Resources): Line[] {
  const unknown = unknownTypes(resources)
  if (unknown.length) throw new Error(`bench/cost/idle.ts does not know what ${unknown.join(', ')} costs while nobody asks: price it, or list it as free with the reason.`)
  const lines = Object.entries(priced).flatMap(([type, pricer]) => {
    const ones = ofType(resources, type)
    return ones.length ? pricer(ones, resources) : []
  })
  return lines.filter(({ dollars }) => dollars > 0).toSorted((a, b) => b.dollars - a.dollars)
}

export const total = (lines: readonly Line[]): number => sum(lines, ({ dollars }) => dollars)

function brokers({ NumberOfBrokerNodes: many, BrokerNodeGroupInfo: { InstanceType: type, StorageInfo: storage }, EnhancedMonitoring: monitoring = 'DEFAULT' }: Properties): Line[] {
  const gb = many * storage.EBSStorageInfo.VolumeSize
  const perTopic = monitoring.startsWith('PER_TOPIC') ? assumed.brokerTopicMetrics.value * (topics.length + assumed.ownTopicsOfMsk.value) : 0
  const metrics = monitoring === 'DEFAULT' ? 0 : many * (assumed.brokerMetrics.value + perTopic)
  return [
    line('MSK brokers', many, type, many * hoursAMonth * priceNamed(type).dollars),
    byMonth("MSK brokers' storage", gb, 'brokerStorage', 'GB'),
    byMonth(`MSK metrics (${monitoring})`, metrics, 'metric', 'metrics'),
  ]
}

/** So many tasks a service has at least: what it says, or the least of its scaling. */
function tasksOf({ id, properties }: Resource, all: Resources): number {
  const scaling = ofType(all, 'AWS::ApplicationAutoScaling::ScalableTarget').find((target) => JSON.stringify(target.properties.ResourceId).includes(`"${id}"`))
  return properties.DesiredCount ?? scaling?.properties.MinCapacity ?? 1
}

function metricsOf({ Metrics: math, Namespace, MetricName, Dimensions }: Properties): Properties[] {
  return math ? math.filter(({ MetricStat: stat }: Properties) => stat).map(({ MetricStat: stat }: Properties) => stat.Metric) : [{ Namespace, MetricName, Dimensions }]
}

/** One firing of a schedule: of a function, or of a task. */
function tick({ properties: { Targets: targets } }: Resource, all: Resources): number {
  const [target] = targets
  const io = (assumed.tickIo.value * dollarsOf('auroraIo')) / 1e6
  if (!target.EcsParameters) return io + invocation(referred(all, target.Arn), assumed.tickMs.value)
  const { dollarsAnHour } = taskOf(referred(all, target.EcsParameters.TaskDefinitionArn))
  return io + (dollarsAnHour * assumed.tickTaskSeconds.value) / 3600 + (assumed.logBytes.value / 1e9) * dollarsOf('logs')
}
