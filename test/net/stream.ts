// A stream of datagrams, from a process of its own, to some ports of one address in turn. Arguments:
// ADDRESS PORT… Says `up` first; ends on SIGTERM. Who wants to know how many counts them in nft.

import { createSocket } from 'node:dgram'

const [address = '', ...ports] = process.argv.slice(2)
/** To each port in one turn: few enough that no queue of the kernel overflows. */
const BURST = 8

const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
const turn = (): void => {
  for (let n = 0; n < BURST; n++) for (const port of ports) socket.send('x', Number(port), address)
  setImmediate(turn)
}
socket.bind(0, () => {
  console.log('up')
  turn()
})
process.on('SIGTERM', () => process.exit(0))
