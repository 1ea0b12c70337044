// `enid run`: a task definition from a file or by name becomes running tasks, over the ECS protocol,
// exactly as any other client of it would. Then it waits until they run, and says what it waits for.
//
//   FILE ─▶ RegisterTaskDefinition ─▶ RunTask ─▶ look every 200 ms ─▶ RUNNING, or why not

import { existsSync, readFileSync } from 'node:fs'
import type { AgentConnection } from './agent-connection.ts'
import { agentAddress, connectAgent } from './agent-connection.ts'
import type { Call, Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT, wholeNumber } from './command.ts'
import type { TaskView } from './task-view.ts'
import { addressOf, oneTask, shortId, stopText } from './task-view.ts'
import { awaitTasks } from './wait.ts'

/** `enid run FILE|FAMILY[:REVISION]`. */
export const run: Command = {
  name: 'run',
  usage:
    'FILE|FAMILY[:REVISION] [--subnet ID]… [--security-group ID]… [--count N] [--cluster NAME] ' +
    '[--env NAME=VALUE]… [--tag KEY=VALUE]… [--no-wait] [--timeout SECONDS] [--json]',
  summary: 'run tasks from a task definition, and wait until they run',
  flags: {
    subnet: { value: 'ID', multiple: true, text: "where the task's ENI may be; the host's own" },
    'security-group': { value: 'ID', multiple: true, text: "the task's; the VPC's default group" },
    count: { value: 'N', short: 'n', text: 'how many copies, 1 to 10; 1' },
    cluster: { value: 'NAME', text: 'the cluster that the tasks carry; default' },
    env: {
      value: 'NAME=VALUE',
      short: 'e',
      multiple: true,
      text: 'for every container of the task',
    },
    tag: {
      value: 'KEY=VALUE',
      multiple: true,
      text: 'of the task and its ENI; enid:… asks for what ECS has no word for (docs/extensions.md)',
    },
    wait: { text: 'wait until the tasks run (this is the default)' },
    'no-wait': { text: 'return as soon as the tasks are taken on' },
    timeout: { value: 'SECONDS', text: 'how long to wait; 120' },
    ...AGENT_FLAGS,
  },
  positionals: [1, 1],
  notes: [
    'FILE is a task definition in the JSON of ECS; it is registered first. Anything that ends in',
    '.json or contains a slash is a file, everything else a family.',
  ],
  async run(call) {
    if (call.on('wait') && call.on('no-wait')) {
      throw new CommandError(EXIT.usage, 'enid run: --wait and --no-wait exclude each other')
    }
    const count = wholeNumber(call, 'count', { min: 1, max: 10, fallback: 1 })
    const timeoutS = wholeNumber(call, 'timeout', { min: 1, max: 86_400, fallback: 120 })
    const environment = pairsOf(call, 'env')
    const tags = pairsOf(call, 'tag')
    const source = readSource(call.positionals[0] ?? '')
    const agent = connectAgent(agentAddress(call))

    const definition = await definitionOf(agent, source)
    const taskIds = await runTasks(agent, { call, count, environment, tags, definition })
    const wait = !call.on('no-wait')
    const outcome = wait
      ? await awaitTasks(agent, taskIds, { timeoutMs: timeoutS * 1000, quiet: call.on('json') })
      : { tasks: await Promise.all(taskIds.map((id) => oneTask(agent, id))), late: false }
    print(call, outcome.tasks)
    if (outcome.late) {
      throw new CommandError(
        EXIT.timeout,
        `not running after ${timeoutS} s; the agent goes on trying: enid describe ` +
          outcome.tasks.map(({ taskId }) => shortId(taskId)).join(', '),
      )
    }
    return wait && outcome.tasks.some(hasFailed) ? EXIT.failed : EXIT.ok
  },
}

/** It stopped without ever having run. */
const hasFailed = ({ lastStatus, startedAt }: TaskView): boolean =>
  lastStatus === 'STOPPED' && startedAt === undefined

type Source = { readonly family: string } | { readonly file: string; readonly document: object }
type Definition = { readonly name: string; readonly containers: readonly string[] }

function readSource(text: string): Source {
  const isFile = /\.json$|\//.test(text) || (existsSync(text) && !text.includes(':'))
  if (/\.ya?ml$/.test(text)) {
    throw new CommandError(
      EXIT.usage,
      `${text}: YAML is not read; write the task definition as JSON`,
    )
  }
  if (!isFile) return { family: text }
  let content: string
  try {
    content = readFileSync(text, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw new CommandError(EXIT.usage, `${text}: cannot be read (${reason}): name a JSON file`)
  }
  try {
    const document: unknown = JSON.parse(content)
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
      return { file: text, document }
    }
  } catch (error) {
    throw new CommandError(EXIT.usage, `${text}: is not JSON: ${(error as Error).message}`)
  }
  throw new CommandError(EXIT.usage, `${text}: must hold one JSON object, a task definition`)
}

/** The values of a flag that takes NAME=VALUE. */
function pairsOf(call: Call, flag: 'env' | 'tag'): { name: string; value: string }[] {
  // Not call.all(): a comma may be part of a value.
  return call.each(flag).map((text) => {
    const equals = text.indexOf('=')
    if (equals > 0) return { name: text.slice(0, equals), value: text.slice(equals + 1) }
    throw new CommandError(EXIT.usage, `--${flag} is "${text}": write NAME=VALUE`)
  })
}

/** Registers the file, or looks the family up: its name with its revision, and its containers. */
async function definitionOf(agent: AgentConnection, source: Source): Promise<Definition> {
  const answer =
    'file' in source
      ? await agent.ecs('RegisterTaskDefinition', source.document)
      : await agent.ecs('DescribeTaskDefinition', { taskDefinition: source.family })
  const { family, revision, containerDefinitions } = answer.taskDefinition as {
    family: string
    revision: number
    containerDefinitions: { name: string }[]
  }
  if ('file' in source) process.stderr.write(`registered ${family}:${revision}\n`)
  return {
    name: `${family}:${revision}`,
    containers: containerDefinitions.map(({ name }) => name),
  }
}

type Wish = {
  call: Call
  count: number
  environment: readonly { name: string; value: string }[]
  tags: readonly { name: string; value: string }[]
  definition: Definition
}

/** RunTask; the ids of the tasks. Throws when ECS's `failures` names any. */
async function runTasks(agent: AgentConnection, wish: Wish): Promise<string[]> {
  const { call, count, environment, tags, definition } = wish
  const cluster = call.one('cluster')
  const overrides = definition.containers.map((name) => ({ name, environment }))
  const { tasks = [], failures = [] } = (await agent.ecs('RunTask', {
    taskDefinition: definition.name,
    count,
    ...(cluster === undefined ? {} : { cluster }),
    ...(environment.length === 0 ? {} : { overrides: { containerOverrides: overrides } }),
    ...(tags.length === 0 ? {} : { tags: tags.map(({ name: key, value }) => ({ key, value })) }),
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: await subnetsOf(agent, call),
        securityGroups: call.all('security-group'),
      },
    },
  })) as {
    tasks?: { taskArn: string }[]
    failures?: { reason?: string; detail?: string; arn?: string }[]
  }
  if (failures.length > 0) {
    const first = failures[0]
    const started = tasks.map(({ taskArn }) => shortId(taskArn)).join(', ')
    throw new CommandError(
      EXIT.failed,
      `${failures.length} of ${count} not run: ${first?.reason}: ${first?.detail ?? first?.arn}` +
        (started === '' ? '' : ` (taken on: ${started})`),
    )
  }
  return tasks.map(({ taskArn }) => taskArn.split('/').at(-1) ?? taskArn)
}

/** The subnets that are given, else the one that the host itself is in. */
async function subnetsOf(agent: AgentConnection, call: Call): Promise<string[]> {
  const given = call.all('subnet')
  if (given.length > 0) return given
  const status = (await agent.get('/status')) as { host?: { subnetId?: string } }
  const subnetId = status.host?.subnetId
  if (subnetId === undefined) {
    throw new CommandError(EXIT.usage, 'enid run: name a subnet: --subnet subnet-…')
  }
  process.stderr.write(`in the host's own subnet ${subnetId} (--subnet says otherwise)\n`)
  return [subnetId]
}

function print(call: Call, tasks: readonly TaskView[]): void {
  if (call.on('json')) {
    process.stdout.write(`${JSON.stringify({ tasks }, null, 2)}\n`)
    return
  }
  for (const task of tasks) {
    const where = addressOf(task)
    const words = [shortId(task.taskId), task.lastStatus, where, stopText(task)]
    process.stdout.write(
      `${words.filter((word) => word !== undefined && word !== '').join('  ')}\n`,
    )
  }
}
