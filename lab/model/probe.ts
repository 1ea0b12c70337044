// A probe as the world remembers it: lab/probes.ts makes and removes them.

/** A namespace inside the VPC, with an ENI of its own, as it was made (lab/probes.ts). */
export type Probe = {
  readonly probeId: string
  readonly name: string
  readonly netnsPath: string
  readonly eniId: string
  readonly mac: string
  readonly subnetId: string
  readonly groupIds: readonly string[]
  /** Empty in an IPv6-only subnet. */
  readonly ipv4: string
  readonly ipv6?: string
  readonly publicIp?: string
}
