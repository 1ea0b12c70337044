// Runs `npm ci` where node_modules does not hold what package-lock.json says. npm leaves a copy of
// the lock in node_modules/.package-lock.json when an installation is complete; comparing the two
// by content, not by time, makes a fresh clone, a changed lock and a broken-off npm ci all right.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { find, head, Refusal, run, say, seconds } from './say.mjs'

/** Whether every package of the lock that must be there is there in that version. */
function isComplete(root) {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages
  // Optional packages are those of other platforms; they are rightly not installed.
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' ||
      (have[path] === undefined ? optional === true : have[path].version === version),
  )
}

/** Installs the npm packages if they are not all there. */
export async function ensureModules(root) {
  const node = join(root, 'node_modules', '.bin', 'node')
  if (isComplete(root) && existsSync(node)) return
  const npm = find('npm')
  if (npm === undefined) throw new Refusal('npm is not in PATH: install the package npm')
  const startedAt = performance.now()
  say('npm ci …')
  const { code, output } = await run(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    // npm would take its settings for this very `npm run` over into the other one.
    env: { npm_config_ignore_scripts: '', npm_lifecycle_event: '', npm_lifecycle_script: '' },
  })
  if (code !== 0) throw new Refusal(`npm ci failed:\n${head(output, 14)}`)
  if (!existsSync(node)) {
    throw new Refusal(
      'npm ci brought no node_modules/.bin/node: the npm package `node` fetches it in its ' +
        'install script. Allow that (npm config set ignore-scripts false) and try again.',
    )
  }
  say(`npm ci took ${seconds(startedAt)}`)
}
