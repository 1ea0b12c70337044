// Goal: the house stays in order without anybody watching. Each ban says why. Method: the sources
// are read as text; comments and strings are left in, so nothing can hide.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { EC2_MEANINGS } from '../agent/drivers/ec2-failure.ts'

const root = resolve(import.meta.dirname, '..')
const rooms = ['agent', 'api', 'cli', 'lab', 'scripts', 'state', 'bench'].filter((room) =>
  existsSync(join(root, room)),
)

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

type Source = { path: string; text: string; imports: string[] }
const read = (path: string): Source => {
  const text = readFileSync(join(root, path), 'utf8')
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)
  const imports = [...found].map(([, name = '']) =>
    name.startsWith('.') ? relative(root, resolve(root, dirname(path), name)) : name,
  )
  return { path, text, imports }
}
/** The text without its comments. */
const bare = (text: string) => text.replace(/^\s*\/\/.*$|\/\*[\s\S]*?\*\//gm, '')
const sources = rooms.flatMap(filesBelow).map(read)
const tests = filesBelow('test').map(read)

/** Files outside `allowed` that import something matching `what`. */
const offenders = (what: RegExp, allowed: (path: string) => boolean): string[] =>
  sources
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, imports }) => imports.filter((i) => what.test(i)).map((i) => `${path}: ${i}`))

const under =
  (...folders: string[]) =>
  (path: string) =>
    folders.some((folder) => path === folder || path.startsWith(`${folder}/`))

describe('dependencies point one way', () => {
  test.each<[string, string, RegExp, string]>([
    [
      'state',
      'imports nothing of ours',
      /^(agent|api|cli|lab|scripts)\//,
      'it must be testable alone',
    ],
    [
      'agent',
      'knows neither api nor cli nor lab',
      /^(api|cli|lab|scripts)\//,
      'only main.ts puts the api in front',
    ],
    ['api', 'knows neither cli nor lab', /^(cli|lab|scripts)\//, 'it answers, whoever asks'],
    [
      'lab',
      'shares no code with the agent',
      /^(agent|api|state|cli|scripts)\//,
      'a shared piece would share its bug',
    ],
    [
      'cli',
      'speaks HTTP to the agent',
      /^(agent|api|lab)\/(?!main\.ts|config\.ts)|^state\//,
      'it is a client like any other',
    ],
  ])('%s %s', (room, _rule, what, why) => {
    const found = offenders(what, (path) => !under(room)(path) || path === 'agent/main.ts')
    expect(found, why).toEqual([])
  })

  test('the api uses of the agent only what it may ask for', () => {
    const allowed = /^agent\/(orders|exec-orders|failure)\.ts$|^agent\/drivers\/driver\.ts$/
    const found = sources
      .filter(({ path }) => under('api')(path))
      .flatMap(({ path, imports }) =>
        imports
          .filter((i) => i.startsWith('agent/') && !allowed.test(i))
          .map((i) => `${path}: ${i}`),
      )
    expect(found, 'the API writes to the journal and gives orders; it does not act').toEqual([])
  })

  /** What a file of the conformance suite imports, by its own statements alone. */
  const declared = ({ path, text }: Source): string[] =>
    [...text.matchAll(/^(?:import .*|\} )from '([^']+)'/gm)].map(([, name = '']) =>
      name.startsWith('.') ? relative(root, resolve(root, dirname(path), name)) : name,
    )
  const conformance = tests.filter(({ path }) => path.startsWith('test/conformance'))

  test('the conformance suite shares no code with the lab that it examines', () => {
    const ours = /^(agent|api|cli|lab|scripts|state)\/|^test\/(?!conformance)/
    const found = conformance.flatMap((source) =>
      declared(source)
        .filter((i) => ours.test(i))
        .map((i) => `${source.path}: ${i}`),
    )
    expect(conformance.length).toBeGreaterThan(20)
    expect(found, 'a shared piece would share its bug').toEqual([])
  })

  test('its model shares no code with what turns rules into calls', () => {
    const model = conformance.filter(({ path }) =>
      /property\/(model|journey|chance)\.ts$/.test(path),
    )
    const allowed = /^node:net$|property\/(model|journey|world)\.ts$|conformance\/row\.ts$/
    const found = model.flatMap((source) =>
      declared(source)
        .filter((i) => !allowed.test(i))
        .map((i) => `${source.path}: ${i}`),
    )
    expect(model).toHaveLength(3)
    expect(found, 'it is written from the documentation alone').toEqual([])
  })

  test('nothing but the command imports the composition root', () => {
    expect(offenders(/^agent\/main\.ts$/, under('cli', 'scripts'))).toEqual([])
  })
})

describe('what touches the world stays where it is looked for', () => {
  test.each<[string, RegExp, string[], string]>([
    [
      'the AWS SDK',
      /^@aws-sdk\//,
      ['agent/drivers', 'api', 'lab/ec2', 'scripts'],
      'api and lab read its schemas; only drivers call EC2',
    ],
    [
      'dockerode',
      /^dockerode$/,
      [
        'agent/drivers/docker.ts',
        'agent/drivers/docker-exec.ts',
        'agent/drivers/docker-failure.ts',
        'agent/drivers/docker-images.ts',
      ],
      'one connection, one place that classifies',
    ],
    [
      'child processes',
      /^node:child_process$/,
      [
        'agent/drivers/mounts.ts',
        'agent/drivers/pause/build.ts',
        'agent/drivers/roles/credentials.ts',
        'bench',
        'cli',
        'lab/hosts/program.ts',
        'scripts',
      ],
      'the agent starts no programs at run time but those that its operator names for credentials, and mount: a thread that waits for a server cannot be ended',
    ],
    [
      'SQLite',
      /^better-sqlite3$/,
      ['state/database.ts', 'lab/world-store.ts'],
      'SQL lives in state/, and in one file of the lab, which shares no code with it',
    ],
    ['fastify', /^fastify$|^@fastify\//, ['api', 'lab/server.ts'], 'HTTP is an edge'],
    [
      'the C library',
      /^koffi$/,
      ['agent/drivers', 'lab/fabric'],
      'system calls have one home on each side',
    ],
  ])('%s', (_what, pattern, folders, why) => {
    expect(offenders(pattern, under(...folders)), why).toEqual([])
  })

  test('only tests mount anything but NFS for a task', () => {
    const mounts = sources.filter(({ text }) => /\bplanMount\b|\bMountPlan\b/.test(text))
    expect(mounts.map(({ path }) => path).sort()).toEqual([
      ...['agent/drivers/mounts.ts', 'agent/drivers/nfs-plan.ts', 'agent/drivers/volume.ts'],
    ])
    expect(read('agent/drivers/nfs-plan.ts').text.match(/type: '.*'/g)).toEqual(["type: 'nfs4'"])
  })

  test('no AWS SDK is loaded before the first call that needs it', () => {
    const isEager = ({ text }: Source) =>
      [...text.matchAll(/^import (type )?[^']*'([^']+)'/gm)].some(
        ([, type, name = '']) => type === undefined && name.startsWith('@aws-sdk/'),
      )
    const found = sources.filter((source) => under('agent')(source.path) && isEager(source))
    const why = 'each takes 0.1 to 0.4 s'
    expect(
      found.map(({ path }) => path),
      why,
    ).toEqual([])
  })

  test('the core has no clock, no chance and no waiting', () => {
    const services = ['service', 'service-observe', 'service-plan', 'service-rollout']
    for (const name of ['task', 'status', 'exits', 'allocation', 'timeline', 'spec', ...services]) {
      const { text, imports } = read(`state/${name}.ts`)
      expect(
        imports.filter((i) => !i.startsWith('state/')),
        name,
      ).toEqual([])
      expect(bare(text), name).not.toMatch(
        /\bDate\b|Math\.random|\basync\b|\bawait\b|\bPromise\b|process\./,
      )
    }
  })
})

describe('the shape of files', () => {
  /** Files that are one thing and longer all the same, with the reason. */
  const long: Record<string, string> = {
    'state/task.ts': 'the decision, entire',
    'lab/model/world.ts': 'every kind of thing that EC2 knows, in one place',
    'agent/runner.ts': 'one loop; its halves would need each other',
  }

  test('none is over 250 lines but those that say why', () => {
    const found = sources
      .filter(({ path, text }) => text.split('\n').length > 251 && long[path] === undefined)
      .map(({ path, text }) => `${path}: ${text.split('\n').length}`)
    expect(found).toEqual([])
  })

  test('each opens with its role', () => {
    const found = [...sources, ...tests].filter(({ text }) => !/^(#!.*\n)?\/\/ \S/.test(text))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('names say what a thing is', () => {
    const found = sources.filter(({ path }) =>
      /(manager|helper|utils?|handler|common|misc)\b/i.test(path),
    )
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test.each<[string, RegExp, string]>([
    ['default exports', /^export default/m, 'one name for one thing'],
    ['barrels', /^export \* from/m, 'imports say where things live'],
    ['enums', /^\s*(export )?(const )?enum /m, 'types erase'],
    ['any', /: any\b|\bas any\b|<any>/, 'unknown says the same and is checked'],
    ['switched-off checks', /@ts-ignore|@ts-nocheck|biome-ignore(?!.*: \S)/, 'say why, or mend it'],
    ['shells', /shell: true|\bexecSync\(|\bexec\('/, 'arguments, never text'],
    ['loose ends', /\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d)/, 'an open end has an issue number'],
  ])('no %s', (_what, pattern, why) => {
    const found = sources.filter(({ path, text }) =>
      pattern.test(path.endsWith('.mjs') || /biome|TODO/.test(pattern.source) ? text : bare(text)),
    )
    expect(
      found.map(({ path }) => path),
      why,
    ).toEqual([])
  })

  test('no test is switched off, narrowed, or left for later', () => {
    const pattern = /\b(test|it|describe)\.(skip|only|todo|fails|skipIf|runIf)\b/
    const found = tests.filter(
      ({ path, text }) => path !== 'test/tidy.test.ts' && pattern.test(text),
    )
    expect(found.map(({ path }) => path)).toEqual([])
  })
})

describe('errors and their documentation', () => {
  const documented = new Set(
    [...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `([^`]+)` \|/gm)].map(
      ([, code]) => code,
    ),
  )
  const made = /new Failure\(\s*'(?:transient|refused|lost|defect)',\s*'([^']+)'/g
  const caused = /code: '([A-Z][A-Za-z:.]+)', message/g
  const dockers = /'(Cannot\w+)'/g
  const agent = sources.filter(({ path }) => under('agent')(path)).map(({ text }) => text)
  const found = (pattern: RegExp) => agent.flatMap((text) => [...text.matchAll(pattern)])
  const raised = new Set([
    ...[made, caused, dockers].flatMap(found).map(([, code]) => code),
    ...Object.keys(EC2_MEANINGS),
  ])

  // P130
  test('every code that the agent raises has its row', () => {
    expect([...raised].filter((code) => !documented.has(code)).sort()).toEqual([])
  })

  // P130
  test('every row is of a code that the agent raises', () => {
    // One is worded in state/, which raises nothing.
    raised.add('TaskDependencyError')
    expect([...documented].filter((code) => !raised.has(code)).sort()).toEqual([])
  })
})
