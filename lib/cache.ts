import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { Handler } from './handler.ts'
import type { Network } from './network.ts'
import type { Secrets } from './secrets.ts'
import type { Settings, Stage } from './settings.ts'

export type CacheProps = { stage: Stage; network: Network; key: IKey; secrets: Secrets }
type Made = Exclude<Settings['redis'], 'given' | null>

/** ElastiCache (Valkey) that counts the rate limits of all functions and tasks together: by TLS and password, and it removes nothing by itself. Nothing in it is worth a backup. */
export class Cache extends Construct {
  private readonly group: CfnReplicationGroup
  private readonly count: number

  constructor(scope: Construct, id: string, { nodeType, replicas }: Made, { stage, network, key, secrets }: CacheProps) {
    super(scope, id)
    this.count = replicas + 1
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', { vpc: network.vpc, description: 'Soma: Redis', allowAllOutbound: false })
    securityGroup.addIngressRule(network.handlers, Port.tcp(6379), 'Soma handlers')
    const subnets = new CfnSubnetGroup(this, 'Subnets', { description: 'Soma: Redis', subnetIds: network.vpc.selectSubnets(network.subnets).subnetIds })
    const parameters = new CfnParameterGroup(this, 'Parameters', {
      cacheParameterGroupFamily: 'valkey8',
      description: 'Soma: a counter is never thrown away to make room',
      properties: { 'maxmemory-policy': 'noeviction' },
    })
    // the host is no part of it: the secret is there before the cache, whose password it is
    const secret = new Secret(this, 'Secret', {
      description: 'Soma Memory: REDIS_URL',
      encryptionKey: key,
      generateSecretString: { secretStringTemplate: JSON.stringify({ engine: 'redis' }), generateStringKey: 'password', passwordLength: 64, excludePunctuation: true },
    })
    secrets.add('REDIS_URL', secret)
    this.group = new CfnReplicationGroup(this, 'Group', {
      replicationGroupDescription: `Soma Memory, ${stage}`,
      engine: 'valkey',
      engineVersion: '8.0',
      cacheNodeType: nodeType,
      numNodeGroups: 1,
      replicasPerNodeGroup: replicas,
      automaticFailoverEnabled: replicas > 0,
      multiAzEnabled: replicas > 0,
      cacheSubnetGroupName: subnets.ref,
      cacheParameterGroupName: parameters.ref,
      securityGroupIds: [securityGroup.securityGroupId],
      transitEncryptionEnabled: true,
      transitEncryptionMode: 'required',
      atRestEncryptionEnabled: true,
      kmsKeyId: key.keyArn,
      // CloudFormation puts it in place at deployment; the template has a reference only
      authToken: secret.secretValueFromJson('password').unsafeUnwrap(),
      autoMinorVersionUpgrade: true,
    })
  }

  connect(handler: Handler): void {
    if (handler.row.secrets.includes('REDIS_URL')) handler.setVariable('REDIS_HOST', this.group.attrPrimaryEndPointAddress)
  }

  /** ElastiCache tells its metrics by these. */
  get nodes(): string[] {
    return Array.from({ length: this.count }, (_, index) => `${this.group.ref}-00${index + 1}`)
  }
}
