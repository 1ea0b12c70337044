// The fabric's memory of its security groups, and the changes of them: each is one nftables
// transaction, and the memory follows when the kernel has agreed. The caller takes turns.

import type { Group, Port } from './fabric.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import { checkReferences, checkUnused } from './group-check.ts'
import { dropGroup, putGroup } from './security-group.ts'

export class Groups {
  readonly #groups = new Map<string, Group>()

  /** The groups that there are, by id. */
  get all(): ReadonlyMap<string, Group> {
    return this.#groups
  }

  /** Creates a group or replaces its rules; throws when one names a group that is not there. */
  async put(kernel: FabricKernel, group: Group): Promise<void> {
    checkReferences(group, this.#groups)
    await kernel.call('apply', putGroup(group, this.#groups.get(group.groupId)))
    this.#groups.set(group.groupId, group)
  }

  /** Takes a group away; throws, naming who, while a port wears it or a rule names it. */
  async drop(kernel: FabricKernel, groupId: string, ports: readonly Port[]): Promise<void> {
    if (!this.#groups.has(groupId)) return
    checkUnused(groupId, this.#groups, ports)
    await kernel.call('apply', dropGroup(groupId))
    this.#groups.delete(groupId)
  }

  clear(): void {
    this.#groups.clear()
  }
}
