// The chapter after the stop: nothing of the tasks is left, in EC2, in Docker, in the kernel and in
// the agent's own journal. Each is asked where it lives.

import { describeEnis } from './aws.ts'
import type { Traces } from './leftovers.ts'
import { leftovers } from './leftovers.ts'
import { claim } from './narration.ts'
import { must } from './program.ts'
import type { Cast, Stage } from './story.ts'
import { ENID, LAB_NAME } from './world.ts'

/** Who the tasks were, and the host. */
export type Ending = { cast: Cast; instanceId: string }

/** By what the tasks' things on this host are known. */
export function tracesOf({ web, client, stranger }: Cast, instanceId: string): Traces {
  const tasks = [...web, client, stranger]
  return {
    instanceId,
    macs: tasks.map(({ mac }) => mac),
    netnsInodes: tasks.map(({ netnsInode }) => netnsInode),
  }
}

/** Checks that all is given back while agent and lab still run. */
export async function checkNothingLeft(stage: Stage, ending: Ending): Promise<void> {
  const { cast, instanceId } = ending
  const tasks = [...cast.web, cast.client, cast.stranger]

  const enis = (await describeEnis(stage.aws)).map(({ eniId }) => eniId)
  const kept = tasks.filter(({ eniId }) => enis.includes(eniId)).map(({ eniId }) => eniId)
  claim(kept.length === 0, 'no ENI is left in EC2', kept.join(', '))

  const left = await leftovers(tracesOf(cast, instanceId))
  claim(
    left.length === 0,
    'no container, link, namespace or nft table is left on the host',
    left.join(', '),
  )

  const rules = await fabricRules(stage)
  const named = tasks.filter(
    ({ eniId, ipv4 }) => rules.includes(eniId) || rules.includes(`"${ipv4}"`),
  )
  claim(
    rules !== '' && named.length === 0,
    'no rule of theirs is left in the lab',
    named.map(({ eniId }) => eniId).join(', '),
  )

  const ids = tasks.map(({ taskId }) => taskId)
  const output = await must(ENID, ['describe', ...ids, '--json'], { env: stage.world.env })
  const { tasks: remembered } = JSON.parse(output) as { tasks: Remembered[] }
  const wrong = remembered.filter(
    ({ lastStatus, rows }) => lastStatus !== 'STOPPED' || rows.some(({ is }) => is !== 'none'),
  )
  claim(
    remembered.length === tasks.length && wrong.length === 0,
    'the journal remembers four stopped tasks that hold nothing',
    wrong.map(({ taskId }) => taskId).join(', '),
  )
}

type Remembered = {
  readonly taskId: string
  readonly lastStatus: string
  readonly rows: readonly { readonly row: string; readonly is: string }[]
}

/** The lab's nftables rules and sets, as the kernel has them. */
async function fabricRules({ world }: Stage): Promise<string> {
  const status = await must(ENID, ['lab', 'status', '--name', LAB_NAME, '--json'], {
    env: world.env,
  })
  const { netns } = JSON.parse(status) as { netns: string }
  return must('nsenter', [`--net=${netns}`, 'nft', '-j', 'list', 'ruleset'])
}
