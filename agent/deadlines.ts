// How long each kind of step may fail.

/**
 * How long an ensure may go on failing before its task gives up, milliseconds. The link's is what
 * ECS allows an ENI to appear (3 minutes, ecs-agent #4825), the image's what ECS allows a pull.
 */
export const DEADLINE_MS = {
  eni: 120_000,
  publicIp: 120_000,
  image: 1_800_000,
  volume: 120_000,
  cgroup: 120_000,
  sandbox: 120_000,
  attachment: 120_000,
  guard: 120_000,
  link: 180_000,
  created: 240_000,
  container: 240_000,
}

/** Times, each multiplied: for slow or simulated worlds. */
export const scaled = <T extends Record<string, number>>(all: T, scale: number): T =>
  Object.fromEntries(Object.entries(all).map(([key, ms]) => [key, ms * scale])) as T
