// The way to the VPC's resolver: its address among the router's own, and its port open there and at
// the addresses every VPC has; or none of it. What answers behind it is lab/dns/. Nothing is kept in
// mind: the caller says what was, and takes turns.

import { familyOf } from './address.ts'
import type { FabricKernel } from './fabric-kernel.ts'
import { changeResolver } from './services.ts'

/** Opens the resolver that is closed: at VPC+2, and at the addresses of every VPC. */
export async function openResolver(kernel: FabricKernel, vpcAddress: string): Promise<void> {
  if (familyOf(vpcAddress) !== 'ipv4') {
    throw new Error(`the resolver's address '${vpcAddress}' is no ipv4 address`)
  }
  await kernel.call('changeGateway', 'add', vpcAddress)
  try {
    await kernel.call('apply', changeResolver('add', vpcAddress))
  } catch (error) {
    await kernel.call('changeGateway', 'remove', vpcAddress)
    throw error
  }
}

/** Closes the resolver that is open. */
export async function closeResolver(kernel: FabricKernel, vpcAddress: string): Promise<void> {
  await kernel.call('apply', changeResolver('delete', vpcAddress))
  await kernel.call('changeGateway', 'remove', vpcAddress)
}
