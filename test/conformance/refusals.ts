// What the lab does not do and says so by name: a call for each, and the code of its refusal. A thing
// that is half done would be worse than one that is refused, so each is tried, and nothing of it may
// be accepted. docs/lab.md has the same table.

import { codeOf } from './stage/endpoint.ts'
import type { Stage } from './stage/stage.ts'

/** Something that is refused. `$name` in the input stands for ids of the stage. */
export type Refused = {
  readonly what: string
  readonly call: string
  readonly input: (id: (name: string) => string) => object
  readonly code: string
}

const action = (what: string, call: string, input: object): Refused => ({
  what,
  call,
  input: () => input,
  code: 'InvalidAction',
})

const tcp = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80 }

/** The table. */
export const REFUSED: readonly Refused[] = [
  action('launch templates', 'CreateLaunchTemplate', {
    LaunchTemplateName: 'abc',
    LaunchTemplateData: {},
  }),
  action('peering of VPCs', 'CreateVpcPeeringConnection', { VpcId: 'vpc-00000000000000000' }),
  action('transit gateways', 'CreateTransitGateway', {}),
  action('VPN connections', 'CreateVpnConnection', { CustomerGatewayId: 'cgw-0', Type: 'ipsec.1' }),
  action('VPC endpoints', 'CreateVpcEndpoint', { VpcId: 'vpc-00000000000000000' }),
  action('carrier gateways', 'CreateCarrierGateway', { VpcId: 'vpc-00000000000000000' }),
  action('traffic mirroring', 'CreateTrafficMirrorFilter', {}),
  action('trunk interfaces', 'AssociateTrunkInterface', {
    BranchInterfaceId: 'eni-0',
    TrunkInterfaceId: 'eni-1',
  }),
  action('ENIs lent to other accounts', 'CreateNetworkInterfacePermission', {
    NetworkInterfaceId: 'eni-0',
    Permission: 'INSTANCE-ATTACH',
  }),
  action('groups of one VPC in another', 'AssociateSecurityGroupVpc', {
    GroupId: 'sg-0',
    VpcId: 'vpc-0',
  }),
  action('blocking public access', 'ModifyVpcBlockPublicAccessOptions', {
    InternetGatewayBlockMode: 'off',
  }),
  action('the reachability analyzer', 'CreateNetworkInsightsPath', {
    Source: 'eni-0',
    Protocol: 'tcp',
  }),
  action('IPAM', 'CreateIpam', {}),
  action('encryption between instances', 'CreateVpcEncryptionControl', { VpcId: 'vpc-0' }),
  {
    what: 'timeouts of tracking per ENI',
    call: 'CreateNetworkInterface',
    input: (id) => ({
      SubnetId: id('subnetX'),
      ConnectionTrackingSpecification: { UdpTimeout: 45 },
    }),
    code: 'UnsupportedOperation',
  },
  {
    what: 'EFA and other types of ENI',
    call: 'CreateNetworkInterface',
    input: (id) => ({ SubnetId: id('subnetX'), InterfaceType: 'efa' }),
    code: 'InvalidParameterValue',
  },
  {
    what: 'ENA Express',
    call: 'ModifyNetworkInterfaceAttribute',
    input: (id) => ({
      NetworkInterfaceId: id('a'),
      EnaSrdSpecification: { EnaSrdEnabled: true },
    }),
    code: 'UnsupportedOperation',
  },
  {
    what: 'groups of another account as peers',
    call: 'AuthorizeSecurityGroupIngress',
    input: (id) => ({
      GroupId: id('server'),
      IpPermissions: [
        { ...tcp, UserIdGroupPairs: [{ GroupId: id('client'), UserId: '999999999999' }] },
      ],
    }),
    code: 'UnsupportedOperation',
  },
  {
    what: 'groups over a peering as peers',
    call: 'AuthorizeSecurityGroupIngress',
    input: (id) => ({
      GroupId: id('server'),
      IpPermissions: [
        { ...tcp, UserIdGroupPairs: [{ GroupId: id('client'), VpcPeeringConnectionId: 'pcx-0' }] },
      ],
    }),
    code: 'UnsupportedOperation',
  },
  {
    what: "AWS's own prefix lists",
    call: 'AuthorizeSecurityGroupIngress',
    input: (id) => ({
      GroupId: id('server'),
      IpPermissions: [{ ...tcp, PrefixListIds: [{ PrefixListId: 'pl-63a5400a' }] }],
    }),
    code: 'InvalidPrefixListID.NotFound',
  },
  {
    what: 'subnets on Outposts',
    call: 'CreateSubnet',
    input: (id) => ({
      VpcId: id('vpc'),
      CidrBlock: '10.0.77.0/24',
      OutpostArn: 'arn:aws:outposts:us-west-2:000000000000:outpost/op-0',
    }),
    code: 'UnsupportedOperation',
  },
]

/** What each was answered; `failure` where that was another code, or no refusal. */
export type RefusalResult = {
  readonly what: string
  readonly call: string
  readonly code: string
  readonly failure?: string
}

/** Tries each. */
export async function tryRefusals(stage: Stage): Promise<RefusalResult[]> {
  const results: RefusalResult[] = []
  for (const { what, call, input, code } of REFUSED) {
    const answer = await stage.ec2
      .call(
        call,
        input((name) => stage.id(name)),
      )
      .then(
        () => 'accepted',
        (error: unknown) => codeOf(error),
      )
    const failure = answer === code ? {} : { failure: `${call} was ${answer}, not ${code}` }
    results.push({ what, call, code: answer, ...failure })
  }
  return results
}
