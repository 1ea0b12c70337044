// Rules about a log router (FireLens) and the containers whose logs go through it. What an option of an
// output means is the router's to say; what could write a section of its own into the router's file is
// refused here.

import type { ContainerDefinition } from '@aws-sdk/client-ecs'
import { clientError, shown } from '../aws-error.ts'
import { NOT_OF_OUTPUT } from '../firelens-config.ts'
import { isRouted, ROUTERS } from '../firelens-spec.ts'
import { s3Object } from '../secret-spec.ts'
import { checkForm, containersOf, type Rule } from './rule.ts'

const OPTIONS = ['enable-ecs-log-metadata', 'config-file-type', 'config-file-value']

/** One line, and no section. */
const KEY = /^[^\s[\]<>#]+$/
const VALUE = /^[^\n\r\0]*$/

export const firelens: Rule = (definition) => {
  const all = containersOf(definition)
  const routers = all.filter(({ container }) => container.firelensConfiguration !== undefined)
  const [router, second] = routers
  if (second !== undefined) {
    const rule = `the task's log router is ${router?.container.name} already; a task has one`
    throw clientError(`${second.path}.firelensConfiguration`, rule, 'Leave one of them out')
  }
  if (router !== undefined) checkRouter(router.container, `${router.path}.firelensConfiguration`)
  for (const { container, path } of all.filter((one) => isRouted(one.container))) {
    if (router === undefined) {
      throw clientError(
        `${path}.logConfiguration.logDriver`,
        'awsfirelens sends logs through a container of the task, and none has firelensConfiguration',
        'Give one of them firelensConfiguration, or use another log driver',
      )
    }
    checkOptions(container, router.container, `${path}.logConfiguration.options`)
  }
}

function checkRouter({ firelensConfiguration }: ContainerDefinition, at: string): void {
  const { type, options = {} } = firelensConfiguration ?? {}
  if (type === undefined || ROUTERS[type] === undefined) {
    throw clientError(`${at}.type`, `${shown(type)}: a log router is fluentd or fluentbit`)
  }
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name)) continue
    throw clientError(`${at}.options`, `${shown(name)}: an option is ${OPTIONS.join(', ')}`)
  }
  const isTold = options['enable-ecs-log-metadata']
  const told = `${at}.options.enable-ecs-log-metadata`
  checkForm(told, isTold, /^(true|false)$/, 'true or false is allowed')
  const place = options['config-file-type']
  const path = options['config-file-value']
  if (place !== undefined && !['file', 's3'].includes(place)) {
    throw clientError(`${at}.options.config-file-type`, `${shown(place)}: s3 or file is allowed`)
  }
  if ((place === undefined) !== (path === undefined)) {
    throw clientError(`${at}.options`, 'config-file-type and config-file-value come together')
  }
  if (place === 's3' && s3Object(path ?? '') === undefined) {
    const rule = `${shown(path)}: it must be the ARN of an object, arn:aws:s3:::BUCKET/KEY`
    throw clientError(`${at}.options.config-file-value`, rule)
  }
  if (place !== 'file') return
  const rule = 'it must be the absolute path of a file in the image of the log router'
  checkForm(`${at}.options.config-file-value`, path, /^\/[^\s\0]*$/, rule)
}

function checkOptions(
  { logConfiguration }: ContainerDefinition,
  { firelensConfiguration }: ContainerDefinition,
  at: string,
): void {
  const { options = {}, secretOptions = [] } = logConfiguration ?? {}
  const { type = 'fluentbit' } = firelensConfiguration ?? {}
  const { output } = ROUTERS[type]
  for (const [key, value] of Object.entries(options)) {
    if (!KEY.test(key)) throw clientError(at, `${shown(key)} is no name of an option`)
    if (!VALUE.test(value)) throw clientError(`${at}.${key}`, 'the value has more than one line')
  }
  for (const { name = '' } of secretOptions) {
    // It becomes the name of a variable as well.
    if (!/^[A-Za-z0-9_@.-]+$/.test(name))
      throw clientError(at, `${shown(name)} is no name of an option`)
  }
  const limit = options['log-driver-buffer-limit']
  checkForm(`${at}.log-driver-buffer-limit`, limit, /^\d{1,10}$/, 'it must be a number of bytes')
  const names = [...Object.keys(options), ...secretOptions.map(({ name = '' }) => name)]
  const needsOutput = names.some((key) => !NOT_OF_OUTPUT.includes(key))
  if (!needsOutput || options[output]) return
  const rule = `missing output key ${output} which is required for firelens configuration of type ${type}`
  throw clientError(at, rule, `Name the output plugin by ${output}, or leave all options out`)
}
