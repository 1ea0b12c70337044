// What this version takes of a task definition. Everything else is refused by name, with the
// nearest thing that works; nothing that is accepted is silently dropped.

import { refuseOthers } from '../unsupported.ts'
import type { Rule } from './rule.ts'
import { containersOf } from './rule.ts'

const AWSVPC = 'In awsvpc mode'

const TASK_TAKEN = [
  'family',
  'networkMode',
  'requiresCompatibilities',
  'containerDefinitions',
  'runtimePlatform',
  'tags',
]

const TASK_INSTEAD: Readonly<Record<string, string>> = {
  cpu: 'Set cpu on each container instead',
  memory: 'Set memory on each container instead',
  taskRoleArn: 'No credentials are given to tasks yet; pass them in environment, or leave it out',
  executionRoleArn: 'Images are pulled with what dockerd is logged in with; leave it out',
  volumes: 'Put the files into the image; mountPoints and volumesFrom are refused as well',
  placementConstraints: 'This host is the only one; leave it out',
  pidMode: 'Every container has its own process namespace; leave it out',
  ipcMode: 'Every container has its own IPC namespace; leave it out',
  proxyConfiguration: 'Run the proxy as a container of the task; it shares the network namespace',
  ephemeralStorage: "The disk is this host's own; leave it out",
}

const CONTAINER_TAKEN = [
  'name',
  'image',
  'cpu',
  'memory',
  'memoryReservation',
  'essential',
  'portMappings',
  'command',
  'entryPoint',
  'environment',
  'workingDirectory',
  'user',
  'readonlyRootFilesystem',
  'dockerLabels',
  'dependsOn',
  'healthCheck',
  'stopTimeout',
  'restartPolicy',
]

const RESOLVER = `${AWSVPC} the resolver is the VPC's (its DHCP options); leave it out`

const CONTAINER_INSTEAD: Readonly<Record<string, string>> = {
  links: `${AWSVPC} links are not supported: the containers reach each other on 127.0.0.1`,
  hostname: `${AWSVPC} the hostname is the ENI's private DNS name; leave it out`,
  extraHosts: `${AWSVPC} extraHosts are not supported; use a name that DNS knows, or an address`,
  dnsServers: RESOLVER,
  dnsSearchDomains: RESOLVER,
  disableNetworking: `${AWSVPC} every container has the task's network; leave it out`,
  logConfiguration: 'Leave it out: enid keeps the log of stdout and stderr (enid logs)',
  secrets: 'Put the value into environment, or fetch it inside the container',
  environmentFiles: 'Write the variables into environment',
  mountPoints: 'Put the files into the image',
  volumesFrom: 'Put the files into the image',
  repositoryCredentials: 'Log dockerd in to the registry (docker login), and leave it out',
  privileged: 'Privileged containers are refused: they could leave their network namespace',
  linuxParameters: 'Leave it out; capabilities are those that Docker gives by default',
  startTimeout: 'Leave it out: a dependency that can no longer be met stops the task',
  versionConsistency: 'Name the image by digest (image@sha256:…) to fix its version',
  ulimits: "Leave it out: the limits are dockerd's (default-ulimits)",
  systemControls: 'Leave it out',
  resourceRequirements: 'GPUs and accelerators are not given to tasks; leave it out',
}

/** Every member that is not supported must be empty. */
export const supported: Rule = (definition) => {
  const code = 'ClientException'
  refuseOthers(definition, { taken: TASK_TAKEN, instead: TASK_INSTEAD, code })
  for (const { container, path } of containersOf(definition)) {
    refuseOthers(container, { path, taken: CONTAINER_TAKEN, instead: CONTAINER_INSTEAD, code })
    for (const [index, mapping] of (container.portMappings ?? []).entries()) {
      refuseOthers(mapping, {
        path: `${path}.portMappings[${index}]`,
        taken: ['containerPort', 'hostPort', 'protocol', 'name'],
        instead: {
          containerPortRange: 'Write one port mapping for each port',
          appProtocol: 'It is for Service Connect; leave it out',
        },
        code,
      })
    }
  }
}
