// What hosts are made of, for the lab's tests: nothing. It keeps who was opened and closed, and fails
// or waits where a test says so.

import type { HostParts, OpenHost } from '../../lab/hosts/open-host.ts'
import type { Host } from '../../lab/model/world.ts'

export class FakeParts implements HostParts {
  /** Names, in the order of what became of them: `+web`, `-web`, or `=web` where it was left. */
  readonly said: string[] = []
  /** The next host fails to come up so. */
  failOpen: string | undefined
  /** The next host fails to end so. */
  failClose: string | undefined
  /** Hosts come up once this has resolved. */
  gate: Promise<void> = Promise.resolve()
  swept: string[] | undefined

  async sweep(instanceIds: ReadonlySet<string>): Promise<void> {
    this.swept = [...instanceIds]
  }

  async open({ name, docker }: Host): Promise<OpenHost> {
    await this.gate
    const why = this.failOpen
    this.failOpen = undefined
    if (why !== undefined) throw new Error(why)
    this.said.push(`+${name}`)
    return {
      pid: 4711,
      dockerd: docker ? { pid: 4712, running: true, log: '/dev/null' } : undefined,
      env: { ENID_STATE_DIR: `/state/${name}` },
      leave: async () => void this.said.push(`=${name}`),
      close: async () => {
        const reason = this.failClose
        this.failClose = undefined
        if (reason !== undefined) throw new Error(reason)
        this.said.push(`-${name}`)
      },
    }
  }
}
