// The chapter of packets: who reaches whom, on which ports, in both directions; and that what is
// silent is silent because of the security group, not because nobody listens.

import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import type { Aws } from './aws.ts'
import { describeEnis, setIngress } from './aws.ts'
import { claim } from './narration.ts'
import type { TaskHere } from './packets.ts'
import { EVERY_PORT, pageTitle, scanFrom } from './packets.ts'
import type { Range, Scan } from './scan.ts'
import type { Cast, Groups, Stage } from './story.ts'

const TITLE = 'Welcome to nginx!'
/** A port that nobody listens on: a reset comes back when the packet gets there. */
const OTHER_PORT = 8080
const OTHER = { first: OTHER_PORT, last: OTHER_PORT }

/** What the checks need to know. */
export type Scene = { cast: Cast; groups: Groups; hostGroupIds: readonly string[] }

/** Checks every claim about who reaches whom. */
export async function checkPackets(stage: Stage, scene: Scene): Promise<void> {
  const { web, client, stranger } = scene.cast
  await checkPages(client, web)
  stage.signal.throwIfAborted()
  await checkEveryPort({ web, client, stranger })
  stage.signal.throwIfAborted()
  await checkItIsTheGroup(stage.aws, scene)
  stage.signal.throwIfAborted()
  await checkHostGroup(stage.aws, scene)
}

async function checkPages(client: TaskHere, web: readonly TaskHere[]): Promise<void> {
  for (const { ipv4 } of web) {
    const title = await pageTitle(client, ipv4)
    const seen = title === undefined ? 'no answer' : `"${title}"`
    claim(title === TITLE, `client gets http://${ipv4}/`, seen)
  }
}

/** All 65,535 ports of the first copy; the privileged ones, which is quicker, of everything else. */
async function checkEveryPort({ web, client, stranger }: Cast): Promise<void> {
  const [one, two] = web
  const low = { first: 1, last: 1024 }
  const [toOne, strangerToOne] = await Promise.all([
    scanFrom(client, one.ipv4, EVERY_PORT),
    scanFrom(stranger, one.ipv4, EVERY_PORT),
  ])
  const [toTwo, strangerToTwo, webToClient] = await Promise.all([
    scanFrom(client, two.ipv4, low),
    scanFrom(stranger, two.ipv4, low),
    scanFrom(one, client.ipv4, low),
  ])
  claim(
    only80(toOne, EVERY_PORT),
    `client reaches port 80 of ${one.ipv4} and no other`,
    inWords(toOne),
  )
  claim(only80(toTwo, low), `client reaches port 80 of ${two.ipv4} and no other`, inWords(toTwo))
  claim(
    allSilent(strangerToOne, EVERY_PORT),
    `stranger reaches nothing on ${one.ipv4}`,
    inWords(strangerToOne),
  )
  claim(
    allSilent(strangerToTwo, low),
    `stranger reaches nothing on ${two.ipv4}`,
    inWords(strangerToTwo),
  )
  claim(allSilent(webToClient, low), 'web reaches nothing on client', inWords(webToClient))
}

/** Opens one more port while everything runs, and closes it again. */
async function checkItIsTheGroup(aws: Aws, { cast, groups }: Scene): Promise<void> {
  const target = cast.web[0].ipv4
  const wish = { groupId: groups.web, fromGroupId: groups.client, port: OTHER_PORT }
  await setIngress(aws, { ...wish, open: true })
  const opened = await scanFrom(cast.client, target, OTHER)
  const still = await scanFrom(cast.stranger, target, OTHER)
  await setIngress(aws, { ...wish, open: false })
  const closed = await scanFrom(cast.client, target, OTHER)
  const holds = opened.closed.length === 1 && allSilent(closed, OTHER) && allSilent(still, OTHER)
  claim(
    holds,
    `it is the group that decides: port ${OTHER_PORT} opened for client, then closed`,
    `${inWords(opened)}; then ${inWords(closed)}`,
  )
}

/** Takes every rule of the host's own groups away for a moment: the page must still come. */
async function checkHostGroup(aws: Aws, { cast, hostGroupIds }: Scene): Promise<void> {
  const enis = await describeEnis(aws)
  const tasks = [...cast.web, cast.client, cast.stranger].map(({ eniId }) => eniId)
  const wearing = enis.filter(
    ({ eniId, groupIds }) =>
      tasks.includes(eniId) && groupIds.some((groupId) => hostGroupIds.includes(groupId)),
  )
  const { SecurityGroups = [] } = await aws.ec2.send(
    new DescribeSecurityGroupsCommand({ GroupIds: [...hostGroupIds] }),
  )
  const rules = SecurityGroups.filter(({ IpPermissions }) => (IpPermissions ?? []).length > 0)
  const change = {
    revoke: RevokeSecurityGroupIngressCommand,
    put: AuthorizeSecurityGroupIngressCommand,
  }
  const input = (group: (typeof rules)[number]) => ({
    GroupId: group.GroupId,
    IpPermissions: group.IpPermissions,
  })
  for (const group of rules) await aws.ec2.send(new change.revoke(input(group)))
  const title = await pageTitle(cast.client, cast.web[0].ipv4)
  for (const group of rules) await aws.ec2.send(new change.put(input(group)))
  claim(
    wearing.length === 0 && title === TITLE,
    "the host's own security group is not involved",
    'no task wears it, and with every inbound rule taken out of it the page still comes',
  )
}

const countOf = ({ first, last }: Range): number => last - first + 1

const only80 = ({ open, closed, silent }: Scan, range: Range): boolean =>
  open.length === 1 && open[0] === 80 && closed.length === 0 && silent === countOf(range) - 1

const allSilent = ({ open, closed, silent }: Scan, range: Range): boolean =>
  open.length === 0 && closed.length === 0 && silent === countOf(range)

function inWords({ open, closed, silent }: Scan): string {
  const parts = [
    open.length === 0 ? '' : `open: ${open.slice(0, 5).join(', ')}`,
    closed.length === 0
      ? ''
      : `${closed.length === 1 ? 'a reset' : `${closed.length} resets`} came back`,
    silent === 0 ? '' : silent === 1 ? 'no answer' : `no answer on ${silent} ports`,
  ]
  return parts.filter(Boolean).join(', ')
}
