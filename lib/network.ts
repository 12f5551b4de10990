import { Annotations, Fn } from 'aws-cdk-lib'
import * as ec2 from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'
import type { GivenVpc } from './context.ts'
import type { Target } from './placement.ts'

const services = ec2.InterfaceVpcEndpointAwsService
/** What a handler calls in AWS: without NAT each needs its endpoint. Lambda ships its own logs, a task's image and logs come over the network. */
const endpoints: Record<Target, Record<string, ec2.InterfaceVpcEndpointAwsService>> = {
  lambda: { SecretsManager: services.SECRETS_MANAGER, Lambda: services.LAMBDA },
  task: { SecretsManager: services.SECRETS_MANAGER, EcrApi: services.ECR, EcrImages: services.ECR_DOCKER, Logs: services.CLOUDWATCH_LOGS },
}

export type NetworkProps = { given: GivenVpc | undefined; targets: readonly Target[]; bedrock: boolean }

/** The VPC of the context, or a small one without NAT; and the security group of every handler, which a database has to admit. */
export class Network extends Construct {
  readonly vpc: ec2.IVpc
  readonly subnets: ec2.SubnetSelection
  readonly handlers: ec2.SecurityGroup

  constructor(scope: Construct, id: string, { given, targets, bedrock }: NetworkProps) {
    super(scope, id)
    this.vpc = given ? importVpc(this, given) : createVpc(this, targets, bedrock)
    this.subnets = { subnets: given ? this.vpc.privateSubnets : this.vpc.isolatedSubnets }
    // The addresses of Postgres and of the embedding service are in secrets, so egress cannot be narrowed to them.
    this.handlers = new ec2.SecurityGroup(this, 'Handlers', { vpc: this.vpc, description: 'Soma handlers', allowAllOutbound: true })
  }
}

function importVpc(scope: Construct, { vpcId, vpcCidr, subnetIds }: GivenVpc): ec2.IVpc {
  // Nothing here reads the zones, but the import wants one for each subnet; a look-up would need an account at synth.
  const availabilityZones = subnetIds.map((_, index) => Fn.select(index, Fn.getAzs()))
  Annotations.of(scope).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId', 'A given VPC keeps its own routes and endpoints.')
  return ec2.Vpc.fromVpcAttributes(scope, 'Vpc', { vpcId, vpcCidrBlock: vpcCidr, availabilityZones, privateSubnetIds: subnetIds })
}

function createVpc(scope: Construct, targets: readonly Target[], bedrock: boolean): ec2.IVpc {
  const vpc = new ec2.Vpc(scope, 'Vpc', {
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: [{ name: 'handlers', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 22 }],
    // Restricting it takes a custom resource with a function and a role of its own; no handler is in the default group.
    restrictDefaultSecurityGroup: false,
  })
  // Backups go to S3, and ECR keeps image layers there.
  vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3 })
  const embedding = bedrock ? { BedrockRuntime: services.BEDROCK_RUNTIME } : {}
  const needed = Object.assign({}, ...targets.map((target) => endpoints[target]), embedding) as Record<string, ec2.InterfaceVpcEndpointAwsService>
  for (const [name, service] of Object.entries(needed)) vpc.addInterfaceEndpoint(name, { service })
  return vpc
}
