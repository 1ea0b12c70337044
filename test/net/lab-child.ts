// A lab in a process of its own, as `enid lab` would be: it can be told to stop, and killed.
// Arguments: its name, and a port (0: any free one). Says `{"name":…,"port":…}` once it is ready.

import { runLab } from '../../lab/main.ts'

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
await runLab(
  {
    name: process.argv[2] ?? '',
    port: Number(process.argv[3] ?? 0),
    logLevel: 'warn',
    onReady: (ready) => console.log(JSON.stringify(ready)),
  },
  stop.signal,
)
