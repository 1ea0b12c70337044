// The demo's two images. nginx:latest is what the task definition asks for: pulled where a registry
// answers, else built from the distribution's own nginx package, and the demo says so. The client
// image is busybox alone. Nothing that is there already is replaced; what we add, we take away.
//
//   apt-get download ─▶ dpkg-deb --extract ─▶ a tree of a dozen files ─▶ tar | docker import

import { spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { must, program } from './program.ts'

/** Downloaded packages are kept here between runs. */
const CACHE = '/var/cache/enid'
/** The client tasks' image. */
export const CLIENT_IMAGE = 'enid-demo-client:latest'
const NGINX_IMAGE = 'nginx:latest'
// `docker pull` says which repository it pulls from as soon as a registry has answered.
const REGISTRY_ANSWER_MS = 8_000
const PULL_TIMEOUT_MS = 60_000

/** Where an image came from, in words, and whether it is ours to remove. */
export type ImageOrigin = { readonly text: string; readonly ours: boolean }

/** Makes sure that nginx:latest is there. */
export async function ensureNginxImage(): Promise<ImageOrigin> {
  if (await isThere(NGINX_IMAGE)) return { text: 'nginx:latest, as it is here', ours: false }
  if (await pull(NGINX_IMAGE)) return { text: 'nginx:latest, pulled', ours: false }
  const version = await buildNginx()
  const text = `no image registry answers: nginx:latest is built from the nginx package ${version}`
  return { text, ours: true }
}

/** Makes sure that the client's image is there: busybox-static and nothing else. */
export async function ensureClientImage(): Promise<void> {
  if (await isThere(CLIENT_IMAGE)) return
  const tree = mkdtempSync('/tmp/enid-image-')
  try {
    const [folder] = await unpack('busybox-static')
    mkdirSync(join(tree, 'bin'))
    const binary = globSync(`${folder}/{usr/,}bin/busybox`)[0]
    if (binary === undefined) throw new Error('the package busybox-static has no bin/busybox')
    copyFileSync(binary, join(tree, 'bin', 'busybox'))
    await importTree(tree, CLIENT_IMAGE, ['ENTRYPOINT ["/bin/busybox"]'])
  } finally {
    rmSync(tree, { recursive: true })
  }
}

/** Takes an image of ours away again. One that is in use or gone is left. */
export async function removeImage(name: string): Promise<void> {
  await program('docker', ['image', 'rm', name], { always: true })
}

export { NGINX_IMAGE }

const isThere = async (image: string): Promise<boolean> =>
  (await program('docker', ['image', 'inspect', image])).code === 0

/** Tries to pull; gives up early where no registry answers. */
async function pull(image: string): Promise<boolean> {
  const quiet = AbortSignal.timeout(REGISTRY_ANSWER_MS)
  return new Promise((resolve) => {
    const child = spawn('docker', ['pull', image], { stdio: ['ignore', 'pipe', 'ignore'] })
    const end = () => child.kill('SIGKILL')
    const timer = setTimeout(end, PULL_TIMEOUT_MS)
    quiet.addEventListener('abort', end)
    child.stdout.once('data', () => quiet.removeEventListener('abort', end))
    child.once('error', () => resolve(false))
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve(code === 0)
    })
  })
}

/** Downloads a package once and unpacks it; its folder and its version. */
async function unpack(name: string): Promise<[folder: string, version: string]> {
  mkdirSync(CACHE, { recursive: true })
  const folder = join(CACHE, name)
  const versionFile = join(folder, '.version')
  if (existsSync(versionFile)) return [folder, readFileSync(versionFile, 'utf8')]
  const work = mkdtempSync(join(CACHE, '.get-'))
  try {
    // apt downloads as the user _apt, who has to be able to write here.
    chmodSync(work, 0o777)
    const got = await program('apt-get', ['download', name], { cwd: work })
    if (got.code !== 0) {
      await must('apt-get', ['update', '-q'], { timeoutMs: 120_000 })
      await must('apt-get', ['download', name], { cwd: work })
    }
    const archive = globSync(join(work, '*.deb'))[0]
    if (archive === undefined) throw new Error(`apt-get download ${name} left no .deb`)
    const tree = join(work, 'tree')
    await must('dpkg-deb', ['--extract', archive, tree])
    const version = (await must('dpkg-deb', ['--field', archive, 'Version'])).trim()
    writeFileSync(join(tree, '.version'), version)
    rmSync(folder, { recursive: true, force: true })
    renameSync(tree, folder)
    return [folder, version]
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const NGINX_CONF = `daemon off;
user nobody nogroup;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
  include mime.types;
  access_log off;
  server { listen 80 default_server; root /usr/share/nginx/html; }
}
`

/** Builds nginx:latest from the distribution's packages; the version of its nginx. */
async function buildNginx(): Promise<string> {
  const tree = mkdtempSync('/tmp/enid-image-')
  try {
    const [[folder, version], [common]] = [await unpack('nginx'), await unpack('nginx-common')]
    const put = (path: string, from: string) => {
      mkdirSync(dirname(join(tree, path)), { recursive: true })
      copyFileSync(from, join(tree, path))
    }
    put('usr/sbin/nginx', join(folder, 'usr/sbin/nginx'))
    put('etc/nginx/mime.types', join(common, 'etc/nginx/mime.types'))
    put('usr/share/nginx/html/index.html', join(common, 'usr/share/nginx/html/index.html'))
    for (const [path, from] of await libraries(join(folder, 'usr/sbin/nginx'))) put(path, from)
    writeFileSync(join(tree, 'etc/nginx/nginx.conf'), NGINX_CONF)
    writeFileSync(
      join(tree, 'etc/passwd'),
      'root:x:0:0::/:/\nnobody:x:65534:65534::/nonexistent:/\n',
    )
    writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
    for (const path of ['var/log/nginx', 'var/lib/nginx', 'run', 'tmp']) {
      mkdirSync(join(tree, path), { recursive: true })
    }
    await importTree(tree, NGINX_IMAGE, ['CMD ["/usr/sbin/nginx"]', 'EXPOSE 80'])
    return version
  } finally {
    rmSync(tree, { recursive: true })
  }
}

// Packages that a small machine may lack, under the names of Debian 12 and Ubuntu 24.04.
const LIBRARY_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'libssl.so.3': ['libssl3', 'libssl3t64'],
  'libcrypto.so.3': ['libssl3', 'libssl3t64'],
  'libpcre2-8.so.0': ['libpcre2-8-0'],
  'libcrypt.so.1': ['libcrypt1'],
  'libz.so.1': ['zlib1g'],
}

/** The shared libraries of a program: where they go in the image, and where they are here. */
async function libraries(binary: string): Promise<[path: string, from: string][]> {
  const found: [string, string][] = []
  for (const line of (await must('ldd', [binary])).split('\n')) {
    const path = /(\/\S+) \(0x/.exec(line)?.[1]
    const missing = /^\s*(\S+) => not found/.exec(line)?.[1]
    if (path !== undefined) found.push([path.slice(1), path])
    if (missing !== undefined) found.push([`lib/${missing}`, await fetchLibrary(missing)])
  }
  return found
}

async function fetchLibrary(name: string): Promise<string> {
  for (const candidate of LIBRARY_PACKAGES[name] ?? []) {
    const unpacked = await unpack(candidate).catch(() => undefined)
    const file = unpacked && globSync(`${unpacked[0]}/{usr/,}lib/**/${basename(name)}`)[0]
    if (file !== undefined) return file
  }
  throw new Error(`nginx needs ${name}, which is not on this machine: install the package of it`)
}

/** Imports a tree of files as an image. */
function importTree(tree: string, image: string, changes: readonly string[]): Promise<void> {
  const flags = changes.flatMap((change) => ['--change', change])
  return new Promise((resolve, reject) => {
    const tar = spawn('tar', ['--owner=0', '--group=0', '-C', tree, '-c', '.'])
    const load = spawn('docker', ['import', ...flags, '-', image], {
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    let said = ''
    load.stderr.on('data', (chunk: Buffer) => {
      said += chunk
    })
    tar.stdout.pipe(load.stdin)
    for (const child of [tar, load]) child.once('error', reject)
    load.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`docker import ${image}: ${said.trim()}`)),
    )
  })
}
