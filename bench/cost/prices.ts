/** The price list of docs/cost.md: data alone. */

/** `verified` is true where the page named by `from` says this number; false where none was found that does. */
export type Price = { dollars: number; unit: string; what: string; from: string; verified: boolean }

export const region = 'us-east-1'
/** As published, when last looked up. */
export const checkedOn = '2026-12-01'

const cloudWatch = 'https://signoz.io/guides/cloudwatch-pricing'
const alarms = 'https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm'
const endpoints = 'https://www.zacfukuda.com/blog/aws-nat-gateway-vs-vpc-endpoint'
const fargate = 'https://www.vantage.sh/blog/fargate-pricing'
const balancer = 'https://cloud-horizons.com/blog/alb-the-line-item-nobody-watches/'
const lambda = 'https://cloudchipr.com/blog/aws-lambda-pricing'
const firewall = 'https://c3x.dev/blog/aws-waf-cost-explained/'
const auroraIo = 'https://www.jusdb.com/blog/aws-rds-vs-aurora-vs-serverless-cost-comparison'
const s3 = 'https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples'
const secretsManager = 'https://hivebook.wiki/wiki/aws-secrets-manager-rotated-secrets-dynamic-db-credentials-kms'
const msk = 'https://aws.amazon.com/msk/pricing/'
const elastiCache = 'https://aws.amazon.com/elasticache/pricing/'
const agentCoreMemory = 'https://raw.githubusercontent.com/aws/agent-toolkit-for-aws/main/plugins/aws-agents/skills/agents-optimize/references/cost.md'

const price = (dollars: number, unit: string, what: string, from: string, verified = true): Price => ({ dollars, unit, what, from, verified })

export const prices = {
  lambdaSecond: price(0.0000133334, 'GB-second', 'Lambda, ARM, first tier', lambda),
  lambdaRequests: price(0.2, 'million', 'Lambda requests', 'https://aws.amazon.com/lambda/pricing/'),
  pollerUnit: price(0.185, 'EPU-hour', 'Lambda provisioned pollers of MSK; a unit serves ten pollers of one group', 'https://aws.amazon.com/lambda/pricing/'),
  httpApi: price(
    1,
    'million',
    'API Gateway, HTTP API, first 300 million, each up to 512 KB',
    'https://docs.aws.amazon.com/pt_br/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html',
  ),
  acu: price(0.12, 'ACU-hour', 'Aurora PostgreSQL Serverless v2, Aurora Standard', 'https://c3x.dev/blog/aws-aurora-serverless-v2-cost/'),
  auroraStorage: price(0.1, 'GB-month', 'Aurora storage', 'https://awsnegotiations.com/blog/aurora-serverless-v2-pricing.html'),
  auroraIo: price(0.2, 'million', 'Aurora I/O requests, Aurora Standard', auroraIo),
  auroraBackup: price(0.021, 'GB-month', "Aurora's own backups beyond the free part", 'https://aws.amazon.com/rds/aurora/pricing/', false),
  proxy: price(0.015, 'ACU-hour', "RDS Proxy, by its database's ACUs, at least 8", 'https://sst.dev/docs/component/aws/aurora/'),
  'kafka.t3.small': price(0.0456, 'broker-hour', 'MSK, kafka.t3.small', msk, false),
  'kafka.m7g.large': price(0.204, 'broker-hour', 'MSK, kafka.m7g.large', msk, false),
  brokerStorage: price(0.1, 'GB-month', "MSK brokers' storage", msk, false),
  'cache.t4g.micro': price(0.0128, 'node-hour', 'ElastiCache for Valkey, cache.t4g.micro', elastiCache, false),
  'cache.t4g.small': price(0.0256, 'node-hour', 'ElastiCache for Valkey, cache.t4g.small', elastiCache, false),
  endpoint: price(0.01, 'zone-hour', 'interface endpoint, each zone', endpoints),
  endpointData: price(0.01, 'GB', 'data through an interface endpoint', endpoints),
  fargateCpu: price(0.03238, 'vCPU-hour', 'Fargate, ARM', fargate),
  fargateMemory: price(0.00356, 'GB-hour', 'Fargate, ARM', fargate),
  balancer: price(0.0225, 'hour', 'Application Load Balancer', balancer),
  balancerUnit: price(0.008, 'LCU-hour', 'Application Load Balancer; the first ten rules are free', balancer),
  firewall: price(5, 'month', 'WAF, web ACL', firewall),
  firewallRule: price(1, 'month', 'WAF, rule or managed rule group', firewall),
  firewallRequests: price(0.6, 'million', 'WAF, requests looked at', firewall),
  key: price(1, 'month', 'KMS key, and as much for each time it has turned', 'https://aws.amazon.com/kms/pricing/'),
  keyRequests: price(3, 'million', 'KMS requests', 'https://www.wring.co/blog/aws-kms-pricing-guide'),
  schedules: price(1, 'million', 'EventBridge Scheduler, invocations by schedules; to make one is free', 'https://cloudburn.io/blog/amazon-eventbridge-pricing'),
  secret: price(0.4, 'month', 'Secrets Manager, secret', secretsManager),
  secretCalls: price(5, 'million', 'Secrets Manager, API calls', secretsManager),
  metric: price(0.3, 'month', 'CloudWatch, custom metric, first 10,000', cloudWatch),
  alarm: price(0.1, 'month', 'CloudWatch, alarm, each metric it looks at', alarms),
  compositeAlarm: price(0.5, 'month', 'CloudWatch, composite alarm', alarms),
  dashboard: price(3, 'month', 'CloudWatch, dashboard', 'https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/'),
  logs: price(0.5, 'GB', 'CloudWatch Logs, taken in', 'https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/'),
  logStorage: price(0.03, 'GB-month', 'CloudWatch Logs, kept, compressed', 'https://aws.amazon.com/cloudwatch/pricing/', false),
  bucketStorage: price(0.023, 'GB-month', 'S3 Standard', s3),
  bucketPuts: price(5, 'million', 'S3 PUT, COPY, POST, LIST', s3),
} as const satisfies Record<string, Price>

export type PriceName = keyof typeof prices
export const dollarsOf = (name: PriceName): number => prices[name].dollars
/** @throws Error where the list has no such price */
export function priceNamed(name: string): Price {
  if (!Object.hasOwn(prices, name)) throw new Error(`bench/cost/prices.ts has no price of ${name}: add it.`)
  return prices[name as PriceName]
}

/** What the same work costs at Amazon Bedrock AgentCore Memory: an event a store, a record a memory (built-in strategies), a retrieval a recall; each by the million. */
export const agentCore = {
  stores: price(250, 'million', 'AgentCore Memory, events', agentCoreMemory),
  memories: price(750, 'million a month', 'AgentCore Memory, records kept by a built-in strategy', agentCoreMemory),
  recalls: price(500, 'million', 'AgentCore Memory, retrievals', agentCoreMemory),
} as const satisfies Record<string, Price>
/** Its records where one makes them oneself, as here a memory is what is stored. */
export const agentCoreOwnRecords = price(250, 'million a month', "AgentCore Memory, records kept by a strategy of one's own", agentCoreMemory)
