// The name servers of a task: the VPC's, as far as its first card can reach them.

/** Where Amazon's resolver is in every VPC by IPv6 (VPC user guide, "Amazon DNS server"). */
const AMAZON_IPV6 = 'fd00:ec2::253'

/**
 * What the task's resolv.conf names where its definition says nothing. A task without IPv4 gets those
 * of the VPC's that have an IPv6 address, and where there are none Amazon's resolver at its own, as ECS
 * gives it (amazon-ecs-agent, pull request 4649).
 */
export function nameServersOf(
  ofVpc: readonly string[],
  firstEni: { readonly ipv4?: string | undefined },
): readonly string[] {
  if (firstEni.ipv4 !== undefined) return ofVpc
  const reachable = ofVpc.filter((server) => server.includes(':'))
  return reachable.length > 0 ? reachable : [AMAZON_IPV6]
}
