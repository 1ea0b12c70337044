// Installs the Debian and Ubuntu packages that are missing, and only those. A program that is
// there is taken as it is, wherever it came from: Docker's own packages are never replaced.
// Where no systemd runs, a package's own start script must not start a daemon behind our back:
// a policy-rc.d, which lives only as long as the installation, says no.

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { find, Refusal, run, say, seconds, tail } from './say.mjs'

// What is looked for, and the package it comes in.
const NEEDED = [
  { program: 'ip', package: 'iproute2' },
  { program: 'nft', package: 'nftables' },
  { library: 'libnftables.so.1', package: 'libnftables1' },
]

// What only some scripts need, by `--also`.
const OPTIONAL = {
  // Beside a pip-installed aws of version 1, the tests drive the agent with Debian's version 2.
  aws: [{ path: '/usr/bin/aws', package: 'awscli' }],
  'docker-registry': [
    { program: 'docker-registry', package: 'docker-registry' },
    { program: 'htpasswd', package: 'apache2-utils' },
  ],
  boto3: [
    { path: '/usr/bin/python3', package: 'python3' },
    { path: '/usr/lib/python3/dist-packages/boto3/__init__.py', package: 'python3-boto3' },
  ],
  busybox: [{ program: 'busybox', package: 'busybox-static' }],
  // What `npm run bench` compares a task's link with.
  cni: [{ path: '/usr/lib/cni/host-device', package: 'containernetworking-plugins' }],
  curl: [{ program: 'curl', package: 'curl' }],
  docker: [
    { program: 'dockerd', package: 'docker.io' },
    { program: 'docker', package: 'docker.io', orElse: 'docker-cli' },
  ],
  gcc: [
    { program: 'gcc', package: 'gcc' },
    { path: '/usr/include/stdio.h', package: 'libc6-dev' },
  ],
  'systemd-analyze': [{ program: 'systemd-analyze', package: 'systemd' }],
}

/** Whether the loader finds a shared library. */
const hasLibrary = async (name) => (await run('ldconfig', ['-p'])).output.includes(`${name} `)

const isThere = ({ program, library, path }) => {
  if (path !== undefined) return existsSync(path)
  return library === undefined ? find(program) !== undefined : hasLibrary(library)
}

async function missing(needs) {
  const there = await Promise.all(needs.map(isThere))
  return needs.filter((_, i) => !there[i])
}

/** Installs what is lacking. Throws a Refusal that says what to do where apt cannot. */
export async function ensurePackages(also) {
  const unknown = also.find((name) => OPTIONAL[name] === undefined)
  if (unknown !== undefined) {
    throw new Refusal(`--also ${unknown}: known are ${Object.keys(OPTIONAL).join(', ')}`)
  }
  const needs = [...NEEDED, ...also.flatMap((name) => OPTIONAL[name])]
  const lacking = await missing(needs)
  if (lacking.length === 0) return

  const packages = [...new Set(lacking.map((need) => need.package))]
  if (find('apt-get') === undefined) {
    const names = lacking.map((need) => need.program ?? need.library ?? need.path).join(', ')
    throw new Refusal(
      `missing: ${names}. This machine has no apt-get; install them with its own package ` +
        `manager (on Debian and Ubuntu they are the packages ${packages.join(', ')}).`,
    )
  }
  await install(packages)
  // Debian 13 split Docker's command line off into a package of its own.
  const still = (await missing(lacking)).flatMap((need) => need.orElse ?? [])
  if (still.length > 0) await install([...new Set(still)])

  const never = await missing(lacking)
  if (never.length > 0) {
    const names = never.map((need) => need.program ?? need.library ?? need.path).join(', ')
    throw new Refusal(`installed ${packages.join(', ')}, yet ${names} is not there`)
  }
}

async function install(packages) {
  const startedAt = performance.now()
  say(`installing ${packages.join(', ')} …`)
  const allow = forbidStarts()
  try {
    let result = await aptInstall(packages)
    if (result.code !== 0) {
      const update = await run('apt-get', ['update', '-q'])
      if (update.code !== 0) throw new Refusal(`apt-get update failed:\n${tail(update.output)}`)
      result = await aptInstall(packages)
    }
    if (result.code !== 0) {
      throw new Refusal(`apt-get install ${packages.join(' ')} failed:\n${tail(result.output)}`)
    }
  } finally {
    allow()
  }
  say(`installed in ${seconds(startedAt)}`)
}

const aptInstall = (packages) =>
  run(
    'apt-get',
    [
      'install',
      '-y',
      '-q',
      '--no-install-recommends',
      '-o',
      'DPkg::Lock::Timeout=120',
      ...packages,
    ],
    { env: { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' } },
  )

/** Keeps packages from starting daemons where no systemd runs; returns what takes it back. */
function forbidStarts() {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync('/run/systemd/system') || existsSync(policy)) return () => {}
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const allow = () => rmSync(policy, { force: true })
  process.once('exit', allow)
  return allow
}
