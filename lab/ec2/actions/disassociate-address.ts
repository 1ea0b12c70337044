// DisassociateAddress: running flows of the address are cut when the call is answered.

import type { DisassociateAddressRequest } from '@aws-sdk/client-ec2'
import { noSuch } from '../../model/look-up.ts'
import { disassociate } from '../../model/public-address.ts'
import { Refusal } from '../../model/refusal.ts'
import type { PublicAddress } from '../../model/way-out.ts'
import type { World } from '../../model/world.ts'
import type { ChangeAction } from '../action.ts'
import { findPublic, refuseNats } from '../address-request.ts'

type Input = DisassociateAddressRequest

export const disassociateAddress: ChangeAction<Input, object> = {
  name: 'DisassociateAddress',
  honours: ['AssociationId', 'PublicIp'],
  change(world, input) {
    const address = read(world, input)
    refuseNats(world, undefined, address)
    return { world: disassociate(world, address), output: {} }
  },
}

function read(world: World, { AssociationId: id, PublicIp: publicIp }: Input): PublicAddress {
  if (id === undefined) {
    if (publicIp !== undefined) return findPublic(world, publicIp)
    throw new Refusal('MissingParameter', 'Either public IP or association id must be specified')
  }
  for (const address of world.publicAddresses.values()) {
    if (address.association?.associationId === id) return address
  }
  throw noSuch('addressAssociation', id)
}
