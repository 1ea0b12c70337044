// The account's default quotas (VPC user guide, "Amazon VPC quotas"; EC2 API reference). One table,
// so that a test or a fault profile can be told from a rule.

/** How many of each thing the account may have. */
export const QUOTA = {
  vpcsPerRegion: 5,
  subnetsPerVpc: 200,
  /** EC2 has a limit and publishes no figure; this one is the lab's. */
  dhcpOptionsPerRegion: 100,
  aclsPerVpc: 200,
  /** Per ACL, direction and IP family; EC2's own last entry counts. */
  entriesPerAcl: 20,
  routeTablesPerVpc: 200,
  /** Per route table and IP family; local routes do not count. */
  routesPerTable: 500,
  internetGatewaysPerRegion: 5,
  egressOnlyGatewaysPerRegion: 5,
  natGatewaysPerZone: 5,
  addressesPerRegion: 5,
  groupsPerRegion: 2500,
  enisPerRegion: 5000,
  /** EC2 counts vCPUs by family of types; the lab counts machines. Ours. */
  instancesPerRegion: 64,
  groupsPerEni: 5,
  /**
   * Per group, direction and IP family. A rule that names a group or a prefix list counts in both
   * families; a prefix list counts as many rules as it has room for.
   */
  rulesPerGroup: 60,
  prefixListsPerRegion: 100,
  versionsPerPrefixList: 1000,
  entriesPerPrefixList: 1000,
  /** Entries that one call may add, and remove. */
  entriesPerCall: 100,
  tagsPerResource: 50,
  resourcesPerTagCall: 1000,
  /** Filters of a call, values of a filter, characters of a value. */
  filters: 50,
  filterValues: 200,
  filterLength: 255,
} as const

/** How long a client token is remembered, also past the deletion of what it made. */
export const CLIENT_TOKEN_MS = 24 * 60 * 60 * 1000
