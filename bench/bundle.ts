// The bundle, as it is released, in a folder of its own: what is measured is what users run. Built once
// in a process, and gone with it.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildAll } from '../scripts/build.ts'
import { ROOT } from '../scripts/suites.ts'

let built: Promise<string> | undefined

/** The path of the bundle's `enid`. */
export function bundledEnid(): Promise<string> {
  built ??= build()
  return built
}

async function build(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'enid-bundle-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await buildAll(join(folder, 'dist'))
  mkdirSync(join(folder, 'bin'))
  const enid = join(folder, 'bin/enid')
  copyFileSync(join(ROOT, 'bin/enid'), enid)
  return enid
}
