// A lab in a process of its own, as `enid lab` would be: it can be told to stop, and killed.
// Arguments: its name, a port (0: any free one), `--fresh` where it is to begin anew, `--internet`
// where it is to lead to the real Internet, and a file for a flow log of 1 s intervals. Says
// `{"name":…,"port":…}` once it is ready.

import { runLab } from '../../lab/main.ts'

const [name = '', port = '0', ...rest] = process.argv.slice(2)
const flowLog = rest.find((each) => !each.startsWith('--'))
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const running = runLab(
  {
    name,
    port: Number(port),
    fresh: rest.includes('--fresh'),
    internet: rest.includes('--internet'),
    logLevel: 'warn',
    ...(flowLog === undefined ? {} : { flowLog: { file: flowLog, intervalS: 1 } }),
    onReady: (ready) => console.log(JSON.stringify(ready)),
  },
  stop.signal,
)
await running.catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 1
})
