import { Fn } from 'aws-cdk-lib'
import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { CfnCluster, CfnConfiguration } from 'aws-cdk-lib/aws-msk'
import { AwsCustomResource, AwsCustomResourcePolicy, PhysicalResourceId } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { Connection } from './kafka.ts'
import { stageLog } from './logs.ts'
import type { Network } from './network.ts'
import { removalOf } from './removal.ts'
import type { MadeKafka, Settings, Stage } from './settings.ts'

export type BrokerProps = { stage: Stage; settings: Settings; network: Network; key: IKey }

/** Where brokers speak IAM. */
const port = 9098
const kafkaVersion = '3.8.x'
/** One in each zone: a record is on all three, and is taken when two have it. */
const brokers = 3

const serverProperties = [
  'auto.create.topics.enable=false',
  `default.replication.factor=${brokers}`,
  'min.insync.replicas=2',
  'unclean.leader.election.enable=false',
  'allow.everyone.if.no.acl.found=false',
]

/** An MSK cluster in the handlers' subnets: IAM alone, TLS alone, encrypted by the stage's key. Its topics are made by the deployment's migration. */
export class Broker extends Construct {
  readonly connection: Connection
  /** What has to be there before somebody connects. */
  readonly ready: Construct

  constructor(scope: Construct, id: string, { type, storageGb, pollers }: MadeKafka, { stage, settings, network, key }: BrokerProps) {
    super(scope, id)
    const { vpc, subnets, handlers } = network
    // the pollers of functions come as this group: it admits itself, and reaches Lambda and STS by their endpoints
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', { vpc, description: 'Soma: Kafka', allowAllOutbound: true })
    securityGroup.addIngressRule(handlers, Port.tcp(port), 'Soma handlers')
    securityGroup.addIngressRule(securityGroup, Port.tcp(port), 'Pollers of Lambda')
    const log = stageLog(this, 'Log', { name: `/soma/${stage}/kafka`, settings, key })
    const configuration = new CfnConfiguration(this, 'Configuration', {
      name: `soma-${stage}`,
      kafkaVersionsList: [kafkaVersion],
      serverProperties: serverProperties.join('\n'),
    })
    const cluster = new CfnCluster(this, 'Cluster', {
      clusterName: `soma-${stage}`,
      kafkaVersion,
      numberOfBrokerNodes: brokers,
      brokerNodeGroupInfo: {
        instanceType: type,
        clientSubnets: vpc.selectSubnets(subnets).subnetIds,
        securityGroups: [securityGroup.securityGroupId],
        storageInfo: { ebsStorageInfo: { volumeSize: storageGb } },
      },
      clientAuthentication: { sasl: { iam: { enabled: true } }, unauthenticated: { enabled: false } },
      encryptionInfo: { encryptionAtRest: { dataVolumeKmsKeyId: key.keyArn }, encryptionInTransit: { clientBroker: 'TLS', inCluster: true } },
      configurationInfo: { arn: configuration.attrArn, revision: configuration.attrLatestRevisionRevision as unknown as number },
      // what the alarms look at is free; each finer level is paid by the metric
      enhancedMonitoring: 'DEFAULT',
      loggingInfo: { brokerLogs: { cloudWatchLogs: { enabled: true, logGroup: log.logGroupName } } },
    })
    cluster.applyRemovalPolicy(removalOf(settings))
    // CloudFormation does not tell a cluster's addresses
    const addresses = new AwsCustomResource(this, 'Addresses', {
      onUpdate: {
        service: 'Kafka',
        action: 'getBootstrapBrokers',
        parameters: { ClusterArn: cluster.ref },
        physicalResourceId: PhysicalResourceId.of(`soma-${stage}-bootstrap`),
        outputPaths: ['BootstrapBrokerStringSaslIam'],
      },
      policy: AwsCustomResourcePolicy.fromSdkCalls({ resources: [cluster.ref] }),
      logGroup: stageLog(this, 'AddressesLog', { name: `/soma/${stage}/kafka-addresses`, settings, key }),
      installLatestAwsSdk: false,
    })
    this.ready = addresses
    this.connection = {
      clusterArn: cluster.ref,
      // the ARN is known at deployment only, and so is where its last part begins
      arnOf: (kind, name) => `${Fn.join(`:${kind}/`, Fn.split(':cluster/', cluster.ref, 2))}/${name}`,
      bootstrapServers: addresses.getResponseField('BootstrapBrokerStringSaslIam'),
      auth: { mechanism: 'iam' },
      pollers,
    }
  }
}
