// One TCP stream, pumped and drained as fast as it goes. Plain JavaScript: it starts at once.
//   pump.mjs sink                          says its port; then { bytes, ms, cpuMs } of the one stream it took
//   pump.mjs source ADDRESS PORT SECONDS   writes for so long; then { cpuMs }

import { connect, createServer } from 'node:net'

const before = process.cpuUsage()
const cpuMs = () => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const [role, address, port, seconds] = process.argv.slice(2)

if (role === 'sink') {
  const server = createServer()
  server.listen(0, '0.0.0.0', () => console.log(server.address().port))
  server.on('connection', (socket) => {
    server.close()
    const from = performance.now()
    let bytes = 0
    // One buffer for all: what is measured is the way, not the memory.
    const sum = (data) => {
      bytes += data.length
    }
    socket.on('data', sum)
    socket.on('end', () => {
      console.log(JSON.stringify({ bytes, ms: performance.now() - from, cpuMs: cpuMs() }))
      socket.end()
    })
  })
} else {
  const block = Buffer.alloc(1 << 20)
  const socket = connect(Number(port), address, () => {
    const until = performance.now() + Number(seconds) * 1000
    const write = () => {
      if (performance.now() >= until)
        socket.end(() => console.log(JSON.stringify({ cpuMs: cpuMs() })))
      else socket.write(block, write)
    }
    write()
  })
}
