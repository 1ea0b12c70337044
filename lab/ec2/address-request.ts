// What calls about public addresses have in common: finding one by itself, and leaving those of NAT
// gateways alone, which are the gateways' own business.

import { type ElasticIp, isElastic } from '../model/public-address.ts'
import { Refusal } from '../model/refusal.ts'
import type { PublicAddress } from '../model/way-out.ts'
import type { World } from '../model/world.ts'

/** The Elastic IP with that address, or InvalidAddress.NotFound. */
export function findPublic(world: World, publicIp: string): ElasticIp {
  const address = world.publicAddresses.get(publicIp)
  if (address !== undefined && isElastic(address)) return address
  throw new Refusal('InvalidAddress.NotFound', `Address '${publicIp}' not found.`)
}

/** Refuses what would touch a NAT gateway's interface or take its address away. */
export function refuseNats(world: World, eniId: string | undefined, address: PublicAddress): void {
  const touched = [eniId, address.association?.eniId].map((id) => world.enis.get(id ?? ''))
  if (touched.every((eni) => eni?.natGatewayId === undefined)) return
  throw new Refusal(
    'AuthFailure',
    'You do not have permission to access the specified resource.',
    403,
  )
}
