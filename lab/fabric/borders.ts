// The fabric's memory of its subnets and network ACLs, and the changes of them. Each is one
// nftables transaction; the memory follows when the kernel has agreed. The caller takes turns.

import { familyOf } from './address.ts'
import { dropBorder, putBorder } from './border.ts'
import type { Acl, Port, Subnet } from './fabric.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import { dropAcl, putAcl } from './network-acl.ts'

export class Borders {
  readonly #subnets = new Map<string, Subnet>()
  readonly #acls = new Map<string, Acl>()

  /** Throws when the port's subnet is not known: nothing would judge what crosses its border. */
  checkSubnet({ eniId, subnetId }: Port): void {
    if (this.#subnets.has(subnetId)) return
    throw new Error(`port ${eniId}: subnet ${subnetId} is not known; put the subnet first`)
  }

  /** The subnets that there are. */
  subnets = (): Subnet[] => [...this.#subnets.values()]

  /** Creates a subnet, or gives it another gateway, ACL or route table (`mark` is its number). */
  async putSubnet(kernel: FabricKernel, subnet: Subnet, mark: number): Promise<void> {
    const { subnetId, ipv4Gateway, aclId } = subnet
    if (ipv4Gateway !== undefined && familyOf(ipv4Gateway) !== 'ipv4') {
      throw new Error(`subnet ${subnetId}: ipv4Gateway '${ipv4Gateway}' is no ipv4 address`)
    }
    if (!this.#acls.has(aclId)) {
      throw new Error(`subnet ${subnetId}: ACL ${aclId} is not known; put the ACL first`)
    }
    const before = this.#subnets.get(subnetId)
    const was = before?.ipv4Gateway
    const comes = ipv4Gateway === was ? undefined : ipv4Gateway
    if (comes !== undefined) await kernel.call('changeGateway', 'add', comes)
    try {
      if (before?.aclId !== aclId || before.routeTableId !== subnet.routeTableId) {
        await kernel.call('apply', putBorder(subnet, before === undefined, mark))
      }
    } catch (error) {
      if (comes !== undefined) await kernel.call('changeGateway', 'remove', comes)
      throw error
    }
    this.#subnets.set(subnetId, subnet)
    if (was !== undefined && was !== ipv4Gateway) {
      await kernel.call('changeGateway', 'remove', was)
    }
  }

  /** Throws, naming who, while a port is in the subnet. */
  checkEmpty(subnetId: string, ports: readonly Port[]): void {
    const inside = ports.find((port) => port.subnetId === subnetId)
    if (inside !== undefined) throw new Error(`subnet ${subnetId} has port ${inside.eniId} in it`)
  }

  /** Takes a subnet away; throws, naming who, while a port is in it. */
  async dropSubnet(kernel: FabricKernel, subnetId: string, ports: readonly Port[]): Promise<void> {
    const subnet = this.#subnets.get(subnetId)
    if (subnet === undefined) return
    this.checkEmpty(subnetId, ports)
    await kernel.call('apply', dropBorder(subnet))
    this.#subnets.delete(subnetId)
    const { ipv4Gateway } = subnet
    if (ipv4Gateway !== undefined) await kernel.call('changeGateway', 'remove', ipv4Gateway)
  }

  /** Creates an ACL or replaces its entries. */
  async putAcl(kernel: FabricKernel, acl: Acl): Promise<void> {
    await kernel.call('apply', putAcl(acl, !this.#acls.has(acl.aclId)))
    this.#acls.set(acl.aclId, acl)
  }

  /** Takes an ACL away; throws, naming which, while a subnet is associated with it. */
  async dropAcl(kernel: FabricKernel, aclId: string): Promise<void> {
    if (!this.#acls.has(aclId)) return
    for (const subnet of this.#subnets.values()) {
      if (subnet.aclId === aclId) throw new Error(`ACL ${aclId} is that of ${subnet.subnetId}`)
    }
    await kernel.call('apply', dropAcl(aclId))
    this.#acls.delete(aclId)
  }

  clear(): void {
    this.#subnets.clear()
    this.#acls.clear()
  }
}
