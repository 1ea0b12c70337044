// The demo's two AWS clients. The seed's own commands go through the AWS CLI where one is installed
// (version 1 or 2, unmodified, only --endpoint-url added), and through the AWS SDK where none is.
// Everything around them (security groups, counting what is left) goes through the SDK.

import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeNetworkInterfacesCommand,
  EC2Client,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2'
import {
  CreateClusterCommand,
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from '@aws-sdk/client-ecs'
import { must, program } from './program.ts'

/** Where the lab's EC2 and the agent's ECS are. */
export type Endpoints = { readonly ec2: string; readonly ecs: string; readonly region: string }

/** One ECS command of the story, in both its forms. */
export type EcsCommand = {
  /** After `aws ecs`. */
  readonly args: readonly string[]
  readonly send: (ecs: ECSClient) => Promise<unknown>
}

/** The clients of one run. */
export type Aws = {
  /** `aws-cli/2.9.19`, or undefined where there is no AWS CLI. */
  readonly cli: string | undefined
  readonly ec2: EC2Client
  readonly ecs: ECSClient
  /** Runs a command of the story and parses what it printed. */
  run(command: EcsCommand): Promise<unknown>
}

const CREDENTIALS = { accessKeyId: 'enid-demo', secretAccessKey: 'enid-demo' }

/** Makes the clients; `folder` is where `file://./…` is looked for. */
export async function makeAws({ ec2, ecs, region }: Endpoints, folder: string): Promise<Aws> {
  const version = await program('aws', ['--version'])
  const cli =
    version.code === 0 ? /aws-cli\/\S+/.exec(version.stdout + version.stderr)?.[0] : undefined
  const settings = { region, credentials: CREDENTIALS }
  const client = new ECSClient({ ...settings, endpoint: ecs })
  const env = {
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_DEFAULT_REGION: region,
    AWS_PAGER: '',
    // Whatever the person who runs the demo has set up for the real AWS stays out of it.
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_PROFILE: undefined,
    NO_PROXY: '127.0.0.1',
  }
  return {
    cli,
    ec2: new EC2Client({ ...settings, endpoint: ec2 }),
    ecs: client,
    async run({ args, send }) {
      if (cli === undefined) return send(client)
      const output = await must('aws', ['ecs', ...args, '--endpoint-url', ecs], {
        cwd: folder,
        env,
      })
      return output.trim() === '' ? undefined : JSON.parse(output)
    },
  }
}

/** As a person types it, and as the seed prints it: with the task's ARN in a variable. */
export function commandLine({ args }: EcsCommand): string {
  const words = args.map((arg) => {
    if (arg.startsWith('arn:')) return '$ECS_TASK_ARN'
    return /[{ ]/.test(arg) ? `"${arg}"` : arg
  })
  return `$ aws ecs ${words.join(' ')}`
}

/** `create-cluster`, which the seed made in the console. */
export const createCluster = (name: string): EcsCommand => ({
  args: ['create-cluster', '--cluster-name', name],
  send: (ecs) => ecs.send(new CreateClusterCommand({ clusterName: name })),
})

/** `register-task-definition`, word for word as in the seed. */
export const registerTaskDefinition = (file: string, document: object): EcsCommand => ({
  args: ['register-task-definition', '--cli-input-json', `file://./${file}`],
  send: (ecs) => ecs.send(new RegisterTaskDefinitionCommand(document as never)),
})

/** What `run-task` is told. */
export type RunWish = {
  readonly cluster: string
  readonly family: string
  readonly count: number
  readonly subnetId: string
  readonly groupId: string
}

/** `run-task`, as in the seed, with the flag that the seed left out and the count. */
export const runTask = ({ cluster, family, count, subnetId, groupId }: RunWish): EcsCommand => ({
  args: [
    ...['run-task', '--cluster', cluster, '--network-configuration'],
    `awsvpcConfiguration={subnets=[${subnetId}],securityGroups=[${groupId}]}`,
    ...['--task-definition', family, '--count', String(count)],
  ],
  send: (ecs) =>
    ecs.send(
      new RunTaskCommand({
        cluster,
        taskDefinition: family,
        count,
        networkConfiguration: {
          awsvpcConfiguration: { subnets: [subnetId], securityGroups: [groupId] },
        },
      }),
    ),
})

/** `describe-tasks … --query tasks[0]`, word for word as in the seed. */
export const describeTask = (cluster: string, taskArn: string): EcsCommand => ({
  args: ['describe-tasks', '--cluster', cluster, '--task', taskArn, '--query', 'tasks[0]'],
  send: async (ecs) =>
    (await ecs.send(new DescribeTasksCommand({ cluster, tasks: [taskArn] }))).tasks?.[0],
})

const ADDRESS_QUERY = 'tasks[0].containers[0].networkInterfaces[0].privateIpv4Address'

/** The seed's last command: only the address. */
export const describeAddress = (cluster: string, taskArn: string): EcsCommand => ({
  args: ['describe-tasks', '--cluster', cluster, '--task', taskArn, '--query', ADDRESS_QUERY],
  send: async (ecs) => {
    const { tasks } = await ecs.send(new DescribeTasksCommand({ cluster, tasks: [taskArn] }))
    return tasks?.[0]?.containers?.[0]?.networkInterfaces?.[0]?.privateIpv4Address
  },
})

/** `stop-task`. */
export const stopTask = (cluster: string, taskArn: string): EcsCommand => ({
  args: ['stop-task', '--cluster', cluster, '--task', taskArn],
  send: (ecs) => ecs.send(new StopTaskCommand({ cluster, task: taskArn })),
})

/** Makes a security group without ingress rules; its id. */
export async function createGroup({ ec2 }: Aws, name: string, vpcId: string): Promise<string> {
  const wish = { GroupName: name, Description: `enid demo: ${name}`, VpcId: vpcId }
  return (await ec2.send(new CreateSecurityGroupCommand(wish))).GroupId ?? ''
}

/** Opens or closes one TCP port of a group for the members of another. */
export async function setIngress(
  { ec2 }: Aws,
  { groupId, fromGroupId, port, open }: IngressWish,
): Promise<void> {
  const wish = {
    GroupId: groupId,
    IpPermissions: [
      {
        IpProtocol: 'tcp',
        FromPort: port,
        ToPort: port,
        UserIdGroupPairs: [{ GroupId: fromGroupId }],
      },
    ],
  }
  if (open) await ec2.send(new AuthorizeSecurityGroupIngressCommand(wish))
  else await ec2.send(new RevokeSecurityGroupIngressCommand(wish))
}

type IngressWish = { groupId: string; fromGroupId: string; port: number; open: boolean }

/** This host as EC2 sees it: the groups on its own interface, its VPC and subnet. */
export async function describeHost({ ec2 }: Aws): Promise<{
  instanceId: string
  vpcId: string
  subnetId: string
  groupIds: string[]
}> {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}))
  const instance = Reservations?.[0]?.Instances?.[0]
  const groups = instance?.NetworkInterfaces?.find(
    (eni) => eni.Attachment?.DeviceIndex === 0,
  )?.Groups
  return {
    instanceId: instance?.InstanceId ?? '',
    vpcId: instance?.VpcId ?? '',
    subnetId: instance?.SubnetId ?? '',
    groupIds: (groups ?? []).map(({ GroupId }) => GroupId ?? ''),
  }
}

/** The ENIs that exist, with their groups. */
export async function describeEnis({ ec2 }: Aws): Promise<{ eniId: string; groupIds: string[] }[]> {
  const { NetworkInterfaces } = await ec2.send(new DescribeNetworkInterfacesCommand({}))
  return (NetworkInterfaces ?? []).map(({ NetworkInterfaceId, Groups }) => ({
    eniId: NetworkInterfaceId ?? '',
    groupIds: (Groups ?? []).map(({ GroupId }) => GroupId ?? ''),
  }))
}
