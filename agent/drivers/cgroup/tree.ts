// The kernel's cgroups, as files: made, limited, emptied, removed. Version 1 has a hierarchy for each
// controller, and a cgroup is a folder of the same path in each; version 2 has one.
//
//   end: freeze ─▶ kill each ─▶ thaw      what is frozen cannot end, so no id becomes another's meanwhile
//        version 2 from Linux 5.14 on: cgroup.kill, the same in the kernel

import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Failure } from '../../failure.ts'
import { codeOf, GONE, unlessGone, unlessNone } from './gone.ts'
import type { Limit } from './limits.ts'
import { type Usage, usageOf } from './usage.ts'

/** The cgroups of this host. Paths are below every hierarchy, as in /proc/<pid>/cgroup. */
export type Cgroups = {
  readonly version: 1 | 2
  /** Makes it, and writes its limits. Throws `refused` CgroupUnavailable where that cannot be. */
  make(path: string, limits: readonly Limit[]): Promise<void>
  /** Kills all that runs in it and below, and waits until it is gone. None there is success. */
  end(path: string): Promise<void>
  /** Removes it with all below. Gone is success. Throws `transient` CgroupBusy while something runs in it. */
  remove(path: string): Promise<void>
  /** What is directly below this path. `isUsed`: it has cgroups of its own, as with containers in it. */
  list(path: string): Promise<{ readonly path: string; readonly isUsed: boolean }[]>
  /** What runs in it uses; undefined where it is gone. */
  usage(path: string): Promise<Usage | undefined>
}

/** How long what was killed may take to be gone, milliseconds; D state takes longer, and is waited out by the runner. */
const GONE_MS = 5_000
const LOOK_MS = 10
/** How long the freezer may take, milliseconds. What it did not catch is killed in the next turn. */
const FREEZE_MS = 200

const FREEZER = {
  1: { file: 'freezer.state', on: 'FROZEN', off: 'THAWED', isOn: /^FROZEN/ },
  2: { file: 'cgroup.freeze', on: '1', off: '0', isOn: /^1/ },
} as const

/** Opens those of this host. `mounted` is where they are on every Linux with systemd, and with Docker. */
export function openCgroups(mounted = '/sys/fs/cgroup'): Cgroups {
  const version = existsSync(join(mounted, 'cgroup.controllers')) ? 2 : 1
  const roots = version === 2 ? [mounted] : hierarchies(mounted)
  const freezer = FREEZER[version]

  async function processes(path: string): Promise<number[]> {
    const found = await Promise.all(roots.map((root) => processesBelow(join(root, path))))
    return [...new Set(found.flat())]
  }

  async function frozen(path: string, kill: () => Promise<void>): Promise<void> {
    const root = version === 2 ? mounted : join(mounted, 'freezer')
    const file = join(root, path, freezer.file)
    await writeFile(file, freezer.on).catch(unlessGone)
    const isOn = async () => freezer.isOn.test((await unlessNone(readFile(file, 'utf8'))) ?? 'none')
    for (let ms = 0; ms < FREEZE_MS && existsSync(file) && !(await isOn()); ms += LOOK_MS) {
      await pause(LOOK_MS)
    }
    try {
      await kill()
    } finally {
      await writeFile(file, freezer.off).catch(unlessGone)
    }
  }

  async function kill(path: string): Promise<void> {
    const switchFile = join(mounted, path, 'cgroup.kill')
    if (version === 2 && existsSync(switchFile)) {
      await writeFile(switchFile, '1').catch(unlessGone)
      return
    }
    await frozen(path, async () => {
      for (const pid of await processes(path)) killOne(pid)
    })
  }

  return {
    version,

    async make(path, limits) {
      try {
        if (version === 2) await delegate(mounted, path)
        const made = ['cpu', 'memory'].map(async (controller) => {
          const own = limits.filter((limit) => limit.controller === controller)
          const root = version === 2 ? mounted : join(mounted, controller)
          const folder = join(root, path)
          // Where nothing is mounted a folder would be only a folder.
          await access(join(root, 'cgroup.procs'))
          await mkdir(folder, { recursive: true })
          for (const { file, text } of own) await writeFile(join(folder, file), text)
        })
        await Promise.all(made)
      } catch (error) {
        throw unavailable(path, error)
      }
    },

    async end(path) {
      for (let ms = 0; ms < GONE_MS; ms += LOOK_MS) {
        if ((await processes(path)).length === 0) return
        await kill(path)
        await pause(LOOK_MS)
      }
      throw busy(path, await processes(path))
    },

    async remove(path) {
      try {
        await Promise.all(roots.map((root) => removeBelow(join(root, path))))
      } catch (error) {
        if (codeOf(error) !== 'EBUSY') throw error
        throw busy(path, await processes(path))
      }
    },

    usage: (path) => usageOf({ mounted, version }, path),

    async list(path) {
      const below = await Promise.all(roots.map((root) => folders(join(root, path))))
      const names = [...new Set(below.flat())]
      const isUsed = async (at: string): Promise<boolean> => {
        for (const root of roots) if ((await folders(join(root, at))).length > 0) return true
        return false
      }
      return await Promise.all(
        names.map(async (name) => {
          const at = `${path}/${name}`
          return { path: at, isUsed: await isUsed(at) }
        }),
      )
    },
  }
}

/** The hierarchies of version 1: folders and, for controllers mounted together, links to one. */
function hierarchies(mounted: string): string[] {
  const names = existsSync(mounted) ? readdirSync(mounted) : []
  const found = names.map((name) => join(mounted, name))
  const isOne = (root: string) => existsSync(join(root, 'cgroup.procs'))
  return [...new Set(found.filter(isOne).map((root) => realpathSync(root)))]
}

/** Version 2: a cgroup has a controller where every one above it hands it on. */
async function delegate(mounted: string, path: string): Promise<void> {
  const above = dirname(path)
  if (above !== '.') {
    await delegate(mounted, above)
    await mkdir(join(mounted, above), { recursive: true })
  }
  const folder = above === '.' ? mounted : join(mounted, above)
  const has = (await readFile(join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ')
  for (const controller of ['cpu', 'memory', 'pids']) {
    if (has.includes(controller)) {
      await writeFile(join(folder, 'cgroup.subtree_control'), `+${controller}`)
    }
  }
}

async function folders(folder: string): Promise<string[]> {
  const found = (await unlessNone(readdir(folder, { withFileTypes: true }))) ?? []
  return found.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

async function processesBelow(folder: string): Promise<number[]> {
  const text = (await unlessNone(readFile(join(folder, 'cgroup.procs'), 'utf8'))) ?? ''
  const below = await Promise.all(
    (await folders(folder)).map((name) => processesBelow(join(folder, name))),
  )
  // 0 stands for one outside of our PID namespace: none of ours.
  const own = text.split('\n').map(Number)
  return [...own.filter((pid) => pid > 0), ...below.flat()]
}

async function removeBelow(folder: string): Promise<void> {
  // Mostly nothing is below it any more: looked for only where the kernel does not remove it.
  const code = await rmdir(folder).then(() => undefined, codeOf)
  if (code === undefined || GONE.includes(code)) return
  for (const name of await folders(folder)) await removeBelow(join(folder, name))
  await rmdir(folder).catch(unlessGone)
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    unlessGone(error)
  }
}

function busy(path: string, pids: readonly number[]): Failure {
  const left = pids.length === 0 ? 'something' : `process ${pids.join(', ')}`
  return new Failure('transient', 'CgroupBusy', `${left} is still in the task's cgroup ${path}`, {
    hint: 'It was killed; it may wait for a disk or a network file system. Looked at again',
  })
}

function unavailable(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  return new Failure('refused', 'CgroupUnavailable', `cgroup ${path} cannot be made: ${message}`, {
    hint: 'The agent must be able to write below /sys/fs/cgroup, with the cpu and memory controllers there',
    cause: error,
  })
}
