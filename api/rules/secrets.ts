// Rules about values that are fetched when a container is made: secrets, environment files, and the
// roles that are asked with. Whether a place can be reached, and by whom, only the start can say.

import type { ContainerDefinition, EnvironmentFile, Secret } from '@aws-sdk/client-ecs'
import { clientError, shown } from '../aws-error.ts'
import { environmentFileSource, secretSource } from '../secret-spec.ts'
import type { Rule } from './rule.ts'
import { checkForm, checkUnique, containersOf } from './rule.ts'

/** ECS: at most 10 files to a container. */
const FILES_MAX = 10

/** An IAM role as ECS takes it: its ARN, or its name in this account. */
export const ROLE = /^(arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}|[\w+=,.@-]{1,64})$/
export const ROLE_RULE = 'the ARN or the name of an IAM role is allowed'

export const roles: Rule = ({ taskRoleArn, executionRoleArn }) => {
  checkForm('taskRoleArn', taskRoleArn, ROLE, ROLE_RULE)
  checkForm('executionRoleArn', executionRoleArn, ROLE, ROLE_RULE)
}

export const secrets: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    checkSecrets(container.secrets ?? [], `${path}.secrets`)
    const options = container.logConfiguration?.secretOptions ?? []
    checkSecrets(options, `${path}.logConfiguration.secretOptions`)
    checkNames(container, path)
  }
}

function checkSecrets(all: readonly Secret[], path: string): void {
  for (const [index, { name, valueFrom = '' }] of all.entries()) {
    if (name === undefined || !/^[^=\0]+$/.test(name)) {
      const rule = `${shown(name)}: the name of a secret is not empty and has no "="`
      throw clientError(`${path}[${index}].name`, rule)
    }
    const from = secretSource(valueFrom)
    if (!('rule' in from)) continue
    throw clientError(`${path}[${index}].valueFrom`, `${shown(valueFrom)}: ${from.rule}`)
  }
  const named = all.map(({ name = '' }, index) => ({
    path: `${path}[${index}].name`,
    value: name,
  }))
  checkUnique(named, 'names of secrets')
}

/** ECS's words. What is written in the clear and fetched as well would hide one of the two. */
export function checkNames(
  { secrets: all = [], environment = [], logConfiguration: log }: ContainerDefinition,
  path: string,
): void {
  for (const [index, { name }] of all.entries()) {
    if (!environment.some((variable) => variable.name === name)) continue
    const rule =
      'The secret name must be unique and not shared with any new or existing environment ' +
      `variables set on the container, such as '${name}'`
    throw clientError(`${path}.secrets[${index}].name`, rule)
  }
  for (const [index, { name = '' }] of (log?.secretOptions ?? []).entries()) {
    if (log?.options?.[name] === undefined) continue
    const at = `${path}.logConfiguration.secretOptions[${index}].name`
    throw clientError(at, `${shown(name)} is in options as well; leave one of them out`)
  }
}

export const environmentFiles: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    checkEnvironmentFiles(container.environmentFiles ?? [], `${path}.environmentFiles`)
  }
}

/** The rule for one list of files, in a definition or in an override. */
export function checkEnvironmentFiles(files: readonly EnvironmentFile[], path: string): void {
  if (files.length > FILES_MAX) {
    throw clientError(path, `${files.length} files; at most ${FILES_MAX} are allowed`)
  }
  for (const [index, file] of files.entries()) {
    const from = environmentFileSource(file)
    if (!('rule' in from)) continue
    throw clientError(`${path}[${index}].value`, `${shown(file.value)}: ${from.rule}`)
  }
}
