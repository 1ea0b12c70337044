// Knocks at every TCP port of one address, or at a range of them, from inside a task's namespace, with real SYN packets.
// The demo starts it as `nsenter --net=<the client task's namespace> node scan.ts ADDRESS [FIRST LAST]`.
//
//   open: the handshake completed    closed: a reset came back, so the packet got through
//   silent: nothing came back within the limit, as a security group answers
//
// Prints one JSON document: { "open": [80], "closed": [], "silent": 65534 }

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

// The fabric answers in well under a millisecond. Less than the second after which the kernel sends
// its SYN again: one packet per port, no storm of retries.
const SILENCE_MS = 800
const PORT_COUNT = 65_535
// Below the 28,000 local ports that Linux gives out to one address.
const AT_ONCE_MAX = 20_000

/** What a scan found. */
export type Scan = { open: number[]; closed: number[]; silent: number }

type Verdict = 'open' | 'closed' | 'silent'

function knock(host: string, port: number): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const end = (verdict: Verdict) => {
      clearTimeout(timer)
      socket.destroy()
      // The first verdict counts; resolving again changes nothing.
      resolve(verdict)
    }
    // When thousands of sockets made this thread late, answers lie in the kernel that have not been
    // read yet: setImmediate comes after they have been.
    const timer = setTimeout(() => setImmediate(end, 'silent'), SILENCE_MS)
    socket.once('connect', () => end('open'))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') return end('closed')
      if (error.code === 'EHOSTUNREACH' || error.code === 'ETIMEDOUT') return end('silent')
      // No descriptors or no local ports left: the scan itself is broken, not the port.
      clearTimeout(timer)
      reject(error)
    })
  })
}

/** TCP ports, both ends included. */
export type Range = { readonly first: number; readonly last: number }

async function scan(host: string, { first, last }: Range, atOnce: number): Promise<Scan> {
  const result: Scan = { open: [], closed: [], silent: 0 }
  let next = first
  const worker = async () => {
    while (next <= last) {
      const port = next++
      const verdict = await knock(host, port)
      if (verdict === 'silent') result.silent += 1
      else result[verdict].push(port)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return result
}

/** How many sockets may be open together: Node itself raises its soft limit to the hard one. */
function socketCountMax(): number {
  const line = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
  return Math.min(AT_ONCE_MAX, Number(line?.[1] ?? 1024) - 100)
}

if (import.meta.main) {
  const [host = '', first = '1', last = String(PORT_COUNT)] = process.argv.slice(2)
  const range = { first: Number(first), last: Number(last) }
  process.stdout.write(`${JSON.stringify(await scan(host, range, socketCountMax()))}\n`)
}
