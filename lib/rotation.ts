import { Duration } from 'aws-cdk-lib'
import { type ISecurityGroup, Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { HostedRotation, type ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { Network } from './network.ts'

export type RotationProps = { network: Network; database: ISecurityGroup; logins: Record<string, ISecret>; days: number; excludeCharacters: string }

/** AWS' own function gives each login a new password every so many days. A handler whose password is refused fetches the secret again. */
export class Rotation extends Construct {
  constructor(scope: Construct, id: string, { network, database, logins, days, excludeCharacters }: RotationProps) {
    super(scope, id)
    const { vpc, subnets: vpcSubnets } = network
    const group = new SecurityGroup(this, 'SecurityGroup', { vpc, description: 'Soma: rotation of passwords', allowAllOutbound: false })
    group.addEgressRule(network.given ? Peer.anyIpv4() : Peer.ipv4(vpc.vpcCidrBlock), Port.tcp(443), 'Secrets Manager')
    group.addEgressRule(database, Port.tcp(5432), 'PostgreSQL')
    database.addIngressRule(group, Port.tcp(5432), 'Rotation of passwords')
    for (const [name, secret] of Object.entries(logins)) {
      const hostedRotation = HostedRotation.postgreSqlSingleUser({ vpc, vpcSubnets, securityGroups: [group], excludeCharacters })
      secret.addRotationSchedule(`${name}Rotation`, { hostedRotation, automaticallyAfter: Duration.days(days), rotateImmediatelyOnUpdate: false })
    }
  }
}
