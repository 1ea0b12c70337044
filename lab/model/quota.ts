// The account's default quotas (VPC user guide, "Amazon VPC quotas"; EC2 API reference). One table,
// so that a test or a fault profile can be told from a rule.

/** How many of each thing the account may have. */
export const QUOTA = {
  vpcsPerRegion: 5,
  subnetsPerVpc: 200,
  aclsPerVpc: 200,
  /** Per ACL, direction and IP family; EC2's own last entry counts. */
  entriesPerAcl: 20,
  groupsPerRegion: 2500,
  enisPerRegion: 5000,
  groupsPerEni: 5,
  /** Per group, direction and IP family; a rule that names a group counts in both families. */
  rulesPerGroup: 60,
  tagsPerResource: 50,
  resourcesPerTagCall: 1000,
  filterValues: 200,
} as const

/** How long a client token is remembered, also past the deletion of what it made. */
export const CLIENT_TOKEN_MS = 24 * 60 * 60 * 1000
