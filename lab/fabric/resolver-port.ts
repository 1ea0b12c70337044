// The way to the VPC's resolver: its address among the router's own, and its port open there and at
// the addresses every VPC has; or none of it. What answers behind it is lab/dns/. The caller takes turns.

import { familyOf } from './address.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import { changeResolver } from './services.ts'

export class ResolverPort {
  #address: string | undefined

  /** Opens the resolver at VPC+2, moves it, or closes it (`undefined`). */
  async put(kernel: FabricKernel, address: string | undefined): Promise<void> {
    const before = this.#address
    if (address === before) return
    if (address !== undefined && familyOf(address) !== 'ipv4') {
      throw new Error(`the resolver's address '${address}' is no ipv4 address`)
    }
    if (address !== undefined) await kernel.call('changeGateway', 'add', address)
    try {
      await kernel.call('apply', [
        ...(before === undefined ? [] : changeResolver('delete', before)),
        ...(address === undefined ? [] : changeResolver('add', address)),
      ])
    } catch (error) {
      if (address !== undefined) await kernel.call('changeGateway', 'remove', address)
      throw error
    }
    this.#address = address
    if (before !== undefined) await kernel.call('changeGateway', 'remove', before)
  }

  clear(): void {
    this.#address = undefined
  }
}
