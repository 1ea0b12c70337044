// Row 1: from RunTask to the first process of the task, in parts of what `docker run -d` on docker's
// bridge takes to its first process. Both are asked by this process, each over one kept connection to
// a unix socket: RunTask in the ECS protocol there, create and start in the Engine's API here. The
// image, the command and the mount are the same, and so is what tells of the birth (births.ts).
//
//   a task ─ a container ─ one with a port ─ one with a port ─ a container ─ a task ─ …
//
// Between samples what ran is removed, and nothing is measured until that is over.

import { bornAs } from '../births.ts'
import { alternate, compare, type Side } from '../pairs.ts'
import type { Row } from '../row.ts'
import type { Stage } from '../stage.ts'

export const row: Row = {
  what: 'RunTask to the first process, warm, in parts of docker run -d on the bridge',
  minutes: 6,
  async run(stage) {
    const { task, container } = await open(stage)
    const port = {
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
    }
    const sides = { task, plain: container({}), published: container(port) }
    const onTurn = (n: number) => stage.tell(`${n} of ${stage.pairs}`)
    const { task: a, ...others } = await alternate(sides, stage.pairs, { onTurn })
    const goals = { p50: { most: 0.6 }, p95: { most: 0.8 } }
    const beside = (b: readonly number[], name: string) =>
      compare(a, b, { what: `RunTask ÷ ${name}`, a: 'RunTask', b: name, ...goals })
    return [
      ...beside(others.plain, 'docker run -d'),
      ...beside(others.published, 'docker run -d -p'),
    ]
  },
}

type Plan = { readonly ExposedPorts?: object; readonly HostConfig?: object }

async function open(stage: Stage): Promise<{ task: Side; container: (plan: Plan) => Side }> {
  const docker = stage.docker()
  const births = stage.births()
  const Image = await docker.image()
  const host = await stage.host()
  const volumes = [{ name: 'births', host: { sourcePath: births.folder } }]
  const app = {
    ...{ name: 'app', image: Image, memory: 64, stopTimeout: 1 },
    mountPoints: [{ sourceVolume: 'births', containerPath: '/births' }],
  }
  let n = 0
  return {
    async task() {
      const word = `task-${n++}`
      const family = await host.define('bench', [{ ...app, command: bornAs(word) }], { volumes })
      const from = performance.now()
      const [[id = ''], at] = await Promise.all([host.run(family), births.of(word)])
      await host.reached(id, 'RUNNING')
      await host.stop(id)
      return at - from
    },
    container: (plan) => async () => {
      const word = `container-${n++}`
      const HostConfig = { ...plan.HostConfig, Binds: [`${births.folder}:/births`] }
      const from = performance.now()
      const id = await docker.create({ Image, Cmd: bornAs(word), ...plan, HostConfig })
      const [, at] = await Promise.all([docker.start(id), births.of(word)])
      await docker.remove(id)
      return at - from
    },
  }
}
