// A lab in a process of its own, as `enid lab` would be: it can be told to stop, and killed.
// Arguments: its name, a port (0: any free one), and a file for a flow log of 1 s intervals. Says `{"name":…,"port":…}` once it is ready.

import { runLab } from '../../lab/main.ts'

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
await runLab(
  {
    name: process.argv[2] ?? '',
    port: Number(process.argv[3] ?? 0),
    logLevel: 'warn',
    ...(process.argv[4] === undefined ? {} : { flowLog: { file: process.argv[4], intervalS: 1 } }),
    onReady: (ready) => console.log(JSON.stringify(ready)),
  },
  stop.signal,
)
