// Where AWS documents what the rows expect.

const vpc = 'https://docs.aws.amazon.com/vpc/latest/userguide'
const ec2 = 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide'
const api = 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference'

/** The pages by name. */
export const DOC = {
  groups: `${vpc}/vpc-security-groups.html`,
  groupRules: `${vpc}/security-group-rules.html`,
  defaultGroup: `${vpc}/default-security-group.html`,
  tracking: `${ec2}/security-group-connection-tracking.html`,
  permission: `${api}/API_IpPermission.html`,
  authorize: `${api}/API_AuthorizeSecurityGroupIngress.html`,
  revoke: `${api}/API_RevokeSecurityGroupIngress.html`,
  modifyRules: `${api}/API_ModifySecurityGroupRules.html`,
  modifyEni: `${api}/API_ModifyNetworkInterfaceAttribute.html`,
  deleteGroup: `${api}/API_DeleteSecurityGroup.html`,
  deleteEni: `${api}/API_DeleteNetworkInterface.html`,
  errors: `${api}/errors-overview.html`,
  lists: `${vpc}/managed-prefix-lists.html`,
  acl: `${vpc}/nacl-basics.html`,
  aclRules: `${vpc}/nacl-rules.html`,
  aclEphemeral: `${vpc}/custom-network-acl.html`,
  aclDefault: `${vpc}/default-network-acl.html`,
  aclEntry: `${api}/API_CreateNetworkAclEntry.html`,
  aclReplace: `${api}/API_ReplaceNetworkAclAssociation.html`,
  aclDelete: `${api}/API_DeleteNetworkAcl.html`,
  routeTables: `${vpc}/VPC_Route_Tables.html`,
  routePriority: `${vpc}/RouteTables.html`,
  igw: `${vpc}/VPC_Internet_Gateway.html`,
  eip: `${vpc}/vpc-eips.html`,
  eigw: `${vpc}/egress-only-internet-gateway.html`,
  nat: `${vpc}/nat-gateway-basics.html`,
  natAcl: `${vpc}/vpc-nat-gateway.html`,
  ipv6Native: `${vpc}/configure-subnets.html`,
  mtu: `${ec2}/network_mtu.html`,
  mtuAcl: `${vpc}/network-acl-pmtud.html`,
  eni: `${ec2}/using-eni.html`,
  natInstance: `${vpc}/work-with-nat-instances.html`,
  imds: `${ec2}/configuring-instance-metadata-service.html`,
  imdsRead: `${ec2}/instancedata-data-retrieval.html`,
  dhcp: `${vpc}/VPC_DHCP_Options.html`,
  dns: `${vpc}/AmazonDNS-concepts.html`,
  addresses: `${ec2}/using-instance-addressing.html`,
  prefixes: `${ec2}/ec2-prefix-eni.html`,
  quotas: `${vpc}/amazon-vpc-limits.html`,
  faq: 'https://aws.amazon.com/vpc/faqs/',
  separation:
    'https://docs.aws.amazon.com/whitepapers/latest/logical-separation/vpc-and-accompanying-features.html',
  howItWorks: `${vpc}/how-it-works.html`,
} as const
