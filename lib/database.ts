import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import * as rds from 'aws-cdk-lib/aws-rds'
import { Construct, type IConstruct } from 'constructs'
import type { Handler } from './handler.ts'
import { stageLog } from './logs.ts'
import type { Network } from './network.ts'
import { Rotation } from './rotation.ts'
import type { Secrets } from './secrets.ts'
import type { Settings, Stage } from './settings.ts'

export const databaseLog = (stage: Stage): string => `/aws/rds/cluster/soma-${stage}/postgresql`
const databaseName = 'somamemory'
/** Each login by the variable of its URL; the admin makes the others, and only the handler migrate knows it. */
const logins = { POSTGRES_MIGRATION_URL: 'soma_migrator', POSTGRES_URL: 'soma_requests', POSTGRES_WORKER_URL: 'soma_jobs' }
/** Not in a URL without an escape, nor in what the rotation of AWS would take for something else. */
const excludeCharacters = ' %+~`#$&*()|[]{}:;<>?!\'/@"\\^=,.-_'

export type DatabaseProps = { stage: Stage; settings: Settings; network: Network; key: IKey; secrets: Secrets }
type Made = NonNullable<Settings['database']>

/** Aurora PostgreSQL in the handlers' subnets: encrypted, by TLS only, reached by the handlers alone, with its logins as secrets; and a proxy where the stage wants one. */
export class Database extends Construct {
  readonly cluster: rds.DatabaseCluster
  readonly proxy: rds.DatabaseProxy | undefined
  /** What a migration needs: the cluster, and the logins as secrets. */
  readonly ready: IConstruct[]

  constructor(scope: Construct, id: string, made: Made, { stage, settings, network, key, secrets }: DatabaseProps) {
    super(scope, id)
    const { vpc, subnets: vpcSubnets, handlers } = network
    const secret = (name: string, username: string) => new rds.DatabaseSecret(this, name, { username, dbname: databaseName, encryptionKey: key, excludeCharacters })
    const admin = secret('Admin', 'soma_admin')
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', { vpc, description: 'Soma: the database', allowAllOutbound: false })
    securityGroup.addIngressRule(handlers, Port.tcp(5432), 'Soma handlers')
    const retained = settings.removalPolicy === 'retain'
    // RDS would make it by itself, to last for ever and without the key
    const log = stageLog(this, 'Log', { name: databaseLog(stage), settings, key })
    const instance = { caCertificate: rds.CaCertificate.RDS_CA_RSA2048_G1, enablePerformanceInsights: true, performanceInsightEncryptionKey: key, publiclyAccessible: false }
    this.cluster = new rds.DatabaseCluster(this, 'Cluster', {
      engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_16_11 }),
      credentials: rds.Credentials.fromSecret(admin),
      clusterIdentifier: `soma-${stage}`,
      defaultDatabaseName: databaseName,
      cloudwatchLogsExports: ['postgresql'],
      writer: rds.ClusterInstance.serverlessV2('Writer', instance),
      // a reader is what a failover goes to: it is kept as large as the writer
      readers: Array.from({ length: made.readers }, (_, index) => rds.ClusterInstance.serverlessV2(`Reader${index + 1}`, { ...instance, scaleWithWriter: true })),
      serverlessV2MinCapacity: made.capacity.least,
      serverlessV2MaxCapacity: made.capacity.most,
      ...(made.capacity.least === 0 ? { serverlessV2AutoPauseDuration: Duration.minutes(5) } : {}),
      vpc,
      vpcSubnets,
      securityGroups: [securityGroup],
      storageEncrypted: true,
      storageEncryptionKey: key,
      backup: { retention: Duration.days(made.backupDays) },
      copyTagsToSnapshot: true,
      // a slow statement is logged without its values: those are customers' texts
      parameters: {
        'rds.force_ssl': '1',
        log_min_duration_statement: '2000',
        log_lock_waits: '1',
        log_parameter_max_length: '0',
        log_parameter_max_length_on_error: '0',
        log_error_verbosity: 'terse',
      },
      deletionProtection: retained,
      removalPolicy: retained ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
    })
    this.cluster.node.addDependency(log)
    secrets.add('POSTGRES_ADMIN_URL', this.cluster.secret as rds.DatabaseSecret)
    const attached = Object.entries(logins).map(([variable, username]) => [variable, username, secret(username, username).attach(this.cluster)] as const)
    for (const [variable, , one] of attached) secrets.add(variable, one)
    if (made.rotateDays) {
      const byName = Object.fromEntries(attached.map(([, username, one]) => [username, one]))
      new Rotation(this, 'Rotation', { network, database: securityGroup, logins: byName, days: made.rotateDays, excludeCharacters })
    }
    this.ready = [this.cluster, this.cluster.secret as rds.DatabaseSecret, ...attached.map(([, , one]) => one)]
    this.proxy = made.proxy ? this.addProxy({ stage, network, secrets }) : undefined
  }

  private addProxy({ stage, network, secrets }: Pick<DatabaseProps, 'stage' | 'network' | 'secrets'>): rds.DatabaseProxy {
    const { vpc, subnets: vpcSubnets, handlers } = network
    const securityGroup = new SecurityGroup(this, 'ProxySecurityGroup', { vpc, description: 'Soma: the proxy of the database', allowAllOutbound: false })
    securityGroup.addIngressRule(handlers, Port.tcp(5432), 'Soma handlers')
    const logins = [secrets.of(this, 'POSTGRES_URL'), secrets.of(this, 'POSTGRES_WORKER_URL')]
    const role = new Role(this, 'ProxyRole', { assumedBy: new ServicePrincipal('rds.amazonaws.com') })
    secrets.grant(role, logins)
    // beside the cluster and not in it: the migration waits for the cluster, and the proxy for the logins that the migration makes
    const proxy = new rds.DatabaseProxy(this, 'Proxy', {
      proxyTarget: rds.ProxyTarget.fromCluster(this.cluster),
      role,
      dbProxyName: `soma-${stage}`,
      vpc,
      vpcSubnets,
      securityGroups: [securityGroup],
      secrets: logins,
      requireTLS: true,
      clientPasswordAuthType: rds.ClientPasswordAuthType.POSTGRES_SCRAM_SHA_256,
      borrowTimeout: Duration.seconds(10),
      idleClientTimeout: Duration.minutes(10),
      maxConnectionsPercent: 90,
    })
    proxy.node.addDependency(role)
    return proxy
  }

  /** The handler reaches it by TLS, as one that knows RDS' roots; requests and workers through the proxy, migrations and restores past it. */
  connect(handler: Handler): void {
    if (handler.row.database === 'none') return
    handler.setVariable('POSTGRES_SSL_ROOT_CERT', 'aws')
    if (!this.proxy || handler.row.newDatabaseSecrets) return
    handler.setVariable('POSTGRES_HOST', this.proxy.endpoint)
    handler.node.addDependency(this.proxy)
  }
}
