// Every member of the answer about services, by the path of the structure it is in.

import type { Answers } from './answer.ts'
import { always, as, never, when } from './answer.ts'
import { failures, tags } from './shared-answers.ts'

const FARGATE = "it is Fargate's"
const CAPACITY = 'this host is the only capacity'

const TRAFFIC = 'there is no load balancer here'
const ROLLING = 'it is not part of a rolling update'

const network: Answers = {
  subnets: always,
  securityGroups: when('the request named some'),
  assignPublicIp: when('the request said it'),
}

export const SERVICE_ANSWERS: Readonly<Record<string, Answers>> = {
  '': { services: always, failures: always },
  services: {
    serviceArn: always,
    serviceName: always,
    clusterArn: always,
    loadBalancers: as('empty'),
    serviceRegistries: as('empty'),
    status: always,
    desiredCount: always,
    runningCount: always,
    pendingCount: always,
    launchType: as('`EC2`'),
    capacityProviderStrategy: never(CAPACITY),
    platformVersion: never(FARGATE),
    platformFamily: never(FARGATE),
    taskDefinition: always,
    deploymentConfiguration: always,
    taskSets: never('there are no task sets'),
    deployments: always,
    roleArn: never(TRAFFIC),
    events: as('at most a hundred, the newest first'),
    createdAt: always,
    currentServiceDeployment: never('deployments has them; they are no resources of their own'),
    currentServiceRevisions: never('deployments has them; they are no resources of their own'),
    placementConstraints: as('empty'),
    placementStrategy: as('empty'),
    networkConfiguration: always,
    healthCheckGracePeriodSeconds: never(TRAFFIC),
    schedulingStrategy: always,
    deploymentController: always,
    tags: when('`include` has TAGS'),
    createdBy: never('enid knows of no principals: whoever reaches the socket may do all'),
    enableECSManagedTags: always,
    propagateTags: always,
    enableExecuteCommand: as('false: `enid exec` needs no preparation'),
    availabilityZoneRebalancing: as('`DISABLED`'),
    resourceManagementType: never('who manages the service is no question here'),
  },
  'services.loadBalancers': Object.fromEntries(
    [
      'targetGroupArn',
      'loadBalancerName',
      'containerName',
      'containerPort',
      'advancedConfiguration',
    ].map((name) => [name, never(TRAFFIC)]),
  ),
  'services.serviceRegistries': Object.fromEntries(
    ['registryArn', 'port', 'containerName', 'containerPort'].map((name) => [
      name,
      never('there is no service discovery here'),
    ]),
  ),
  'services.placementConstraints': { type: never(CAPACITY), expression: never(CAPACITY) },
  'services.placementStrategy': { type: never(CAPACITY), field: never(CAPACITY) },
  'services.deploymentConfiguration': {
    deploymentCircuitBreaker: always,
    maximumPercent: always,
    minimumHealthyPercent: always,
    alarms: never('there is no CloudWatch here'),
    strategy: as('`ROLLING`'),
    bakeTimeInMinutes: never(ROLLING),
    lifecycleHooks: never(ROLLING),
    linearConfiguration: never(ROLLING),
    canaryConfiguration: never(ROLLING),
    earlySuccessCriteria: never('a deployment is complete when its tasks are healthy and alone'),
  },
  'services.deploymentConfiguration.deploymentCircuitBreaker': {
    enable: always,
    rollback: always,
    resetOnHealthyTask: when('it is enabled'),
    thresholdConfiguration: when('it is enabled'),
  },
  'services.deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration': {
    type: always,
    value: always,
  },
  'services.deployments': {
    id: always,
    status: always,
    taskDefinition: always,
    desiredCount: always,
    pendingCount: always,
    runningCount: always,
    failedTasks: always,
    createdAt: always,
    updatedAt: always,
    capacityProviderStrategy: never(CAPACITY),
    launchType: as('`EC2`'),
    platformVersion: never(FARGATE),
    platformFamily: never(FARGATE),
    networkConfiguration: always,
    rolloutState: always,
    rolloutStateReason: always,
    serviceConnectConfiguration: never('there is no Service Connect here'),
    serviceConnectResources: never('there is no Service Connect here'),
    volumeConfigurations: never('volumes stand in the task definition'),
    fargateEphemeralStorage: never(FARGATE),
    vpcLatticeConfigurations: never(TRAFFIC),
  },
  'services.deployments.networkConfiguration': { awsvpcConfiguration: always },
  'services.deployments.networkConfiguration.awsvpcConfiguration': network,
  'services.networkConfiguration': { awsvpcConfiguration: always },
  'services.networkConfiguration.awsvpcConfiguration': network,
  'services.events': { id: always, createdAt: always, message: always },
  'services.deploymentController': { type: as('`ECS`') },
  'services.tags': tags,
  failures: { ...failures, detail: never('a service that cannot be read is told in the log') },
}
