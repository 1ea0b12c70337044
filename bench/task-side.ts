// enid's side of what is compared with docker's floor: tasks of one container that tell of their birth,
// and the same container for Docker.

import { type Births, bornAs } from './births.ts'
import type { DockerSide } from './docker.ts'
import type { Host } from './host.ts'

const FAMILY = 'bench'

/** What container `app` is, on both sides. */
export type App = {
  /** Registers a definition of it. Nothing is kept ready for its tasks: no spare is, by default. */
  define(host: Host): Promise<void>
  /** RunTask of one whose container tells of this word; its id. */
  run(host: Host, word: string): Promise<string>
  /** What Docker is asked for, for the same. */
  plan(word: string): Readonly<Record<string, unknown>> & { readonly HostConfig: object }
}

/** The container on both sides. */
export async function openApp(docker: DockerSide, births: Births): Promise<App> {
  const Image = await docker.image()
  const volumes = [{ name: 'births', host: { sourcePath: births.folder } }]
  const mountPoints = [{ sourceVolume: 'births', containerPath: '/births' }]
  const app = { name: 'app', image: Image, memory: 64, stopTimeout: 2, mountPoints }
  return {
    async define(host) {
      await host.define(FAMILY, [app], { volumes })
    },
    async run(host, word) {
      const own = { name: app.name, command: bornAs(word) }
      const [id = ''] = await host.run(FAMILY, { overrides: { containerOverrides: [own] } })
      return id
    },
    plan: (word) => ({
      Image,
      Cmd: bornAs(word),
      HostConfig: { Binds: [`${births.folder}:/births`], Memory: 64 << 20 },
    }),
  }
}
