// A dockerd for as long as the script runs. One that answers is used as it is and never touched.
// Where none answers, systemd is asked; where no systemd runs, we start one ourselves, detached,
// and the last of our scripts that uses it stops it again, by its pid.
//
//   /run/enid-setup/dockerd.pid   ours, while it runs      /run/enid-setup/users/<pid>   who uses it

import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { find, pause, Refusal, run, say, seconds, tail } from './say.mjs'

const SOCKET = '/var/run/docker.sock'
const FOLDER = '/run/enid-setup'
const PID_FILE = `${FOLDER}/dockerd.pid`
const LOG_FILE = `${FOLDER}/dockerd.log`
// A first start makes its folders and its bridge: 0.4 s is usual, tens of seconds on a slow disk.
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

/** Whether a dockerd answers on its socket. */
function answers() {
  return new Promise((resolve) => {
    const ping = request({ socketPath: SOCKET, path: '/_ping', timeout: 5_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    ping.once('timeout', () => ping.destroy())
    ping.once('error', () => resolve(false))
    ping.end()
  })
}

const commandOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}

const readPid = (file) => {
  try {
    return Number(readFileSync(file, 'utf8').trim())
  } catch {
    return 0
  }
}

/** Takes away what a killed dockerd leaves, over which the next one would stumble. */
async function sweepLeftovers() {
  const pidFiles = {
    '/var/run/docker.pid': 'dockerd',
    '/run/docker/containerd/containerd.pid': 'containerd',
  }
  for (const [file, command] of Object.entries(pidFiles)) {
    // dockerd 20.10 takes any process that has the old number for a running dockerd.
    if (existsSync(file) && commandOf(readPid(file)) !== command) rmSync(file, { force: true })
  }
  // It takes the mere presence of this socket for a running containerd.
  const socket = '/run/containerd/containerd.sock'
  if (existsSync(socket) && !(await accepts(socket))) rmSync(socket, { force: true })
}

const accepts = (path) =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket.destroy() && true))
    socket.once('error', () => resolve(false))
  })

/** Waits until dockerd answers; `alive` says whether waiting still makes sense. */
async function untilAnswers(alive) {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (performance.now() < deadline) {
    if (await answers()) return true
    if (!alive()) return false
    await pause(50)
  }
  return false
}

async function startDocker() {
  const startedAt = performance.now()
  if (existsSync('/run/systemd/system')) {
    await run('systemctl', ['start', 'docker'])
    if (await untilAnswers(() => true))
      return say(`systemd started docker in ${seconds(startedAt)}`)
    throw new Refusal('docker does not start under systemd. See: journalctl -u docker')
  }
  const running = readPid('/var/run/docker.pid')
  if (commandOf(running) === 'dockerd') {
    if (await untilAnswers(() => commandOf(running) === 'dockerd')) return
    throw new Refusal(`dockerd runs (pid ${running}) but does not answer on ${SOCKET}`)
  }
  await sweepLeftovers()
  const log = openSync(LOG_FILE, 'w')
  const child = spawn(find('dockerd'), [], { detached: true, stdio: ['ignore', log, log] })
  child.once('error', () => {})
  child.unref()
  writeFileSync(PID_FILE, `${child.pid}\n`)
  if (await untilAnswers(() => child.exitCode === null && child.signalCode === null)) {
    return say(`started dockerd in ${seconds(startedAt)}, log in ${LOG_FILE}`)
  }
  rmSync(PID_FILE, { force: true })
  throw new Refusal(`dockerd does not start:\n${tail(readFileSync(LOG_FILE, 'utf8'))}`)
}

/** Makes sure that a dockerd answers. Returns what gives it back when the script is done. */
export async function borrowDocker() {
  mkdirSync(`${FOLDER}/users`, { recursive: true, mode: 0o700 })
  const mine = `${FOLDER}/users/${process.pid}`
  writeFileSync(mine, '')
  process.once('exit', () => rmSync(mine, { force: true }))
  if (!(await answers())) await startDocker()
  return async () => {
    rmSync(mine, { force: true })
    if (othersUseIt()) return
    await stopOurs()
  }
}

const othersUseIt = () =>
  readdirSync(`${FOLDER}/users`).some((pid) => {
    if (commandOf(pid) !== undefined) return true
    rmSync(`${FOLDER}/users/${pid}`, { force: true })
    return false
  })

async function stopOurs() {
  const pid = readPid(PID_FILE)
  if (commandOf(pid) !== 'dockerd') return
  process.kill(pid, 'SIGTERM')
  const deadline = performance.now() + STOP_TIMEOUT_MS
  while (commandOf(pid) === 'dockerd' && performance.now() < deadline) await pause(50)
  if (commandOf(pid) === 'dockerd') say(`dockerd (pid ${pid}) is still stopping`)
  rmSync(PID_FILE, { force: true })
}
