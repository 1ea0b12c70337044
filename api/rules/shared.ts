// Rules about what the containers of a task share: its name, hosts, resolver, process and IPC
// namespaces. ECS refuses the first three in awsvpc mode; here they are the whole task's, so two
// containers must not differ.

import { isIP } from 'node:net'
import { clientError, shown } from '../aws-error.ts'
import type { Rule } from './rule.ts'
import { checkForm, containersOf } from './rule.ts'

/** RFC 1123, and what sethostname(2) takes: 64 bytes. */
const HOSTNAME =
  /^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})?)*$/
const DOMAIN = /^(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/

/** What resolv.conf(5) reads of each. */
const NAME_SERVERS_MAX = 3
const SEARCH_DOMAINS_MAX = 6

export const hostNames: Rule = (definition) => {
  let first: { hostname: string; path: string } | undefined
  for (const { container, path: owner } of containersOf(definition)) {
    const { hostname } = container
    const path = `${owner}.hostname`
    checkForm(path, hostname, HOSTNAME, 'letters, digits, hyphens and dots; at most 64')
    if (!hostname) continue
    if (first !== undefined && first.hostname !== hostname) {
      const rule = `${shown(hostname)}, but ${first.path} is ${shown(first.hostname)}`
      throw clientError(path, `${rule}: the containers of a task have one name`, 'Write it once')
    }
    first = { hostname, path }
  }
}

export const extraHosts: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    for (const [index, { hostname, ipAddress }] of (container.extraHosts ?? []).entries()) {
      const at = `${path}.extraHosts[${index}]`
      if (!hostname || !DOMAIN.test(hostname)) {
        throw clientError(`${at}.hostname`, `${shown(hostname)} is not the name of a host`)
      }
      if (ipAddress !== undefined && isIP(ipAddress) > 0) continue
      throw clientError(`${at}.ipAddress`, `${shown(ipAddress)} is not an address`)
    }
  }
}

export const resolvers: Rule = (definition) => {
  const servers = new Set<string>()
  const domains = new Set<string>()
  for (const { container, path } of containersOf(definition)) {
    for (const [index, server] of (container.dnsServers ?? []).entries()) {
      const at = `${path}.dnsServers[${index}]`
      if (isIP(server) === 0) throw clientError(at, `${shown(server)} is not an address`)
      if (servers.add(server).size > NAME_SERVERS_MAX) {
        throw clientError(at, `the task has more than ${NAME_SERVERS_MAX}, and no more are asked`)
      }
    }
    for (const [index, domain] of (container.dnsSearchDomains ?? []).entries()) {
      const at = `${path}.dnsSearchDomains[${index}]`
      if (!DOMAIN.test(domain)) throw clientError(at, `${shown(domain)} is not a domain`)
      if (domains.add(domain).size > SEARCH_DOMAINS_MAX) {
        throw clientError(at, `the task has more than ${SEARCH_DOMAINS_MAX}, and no more are tried`)
      }
    }
  }
}

export const namespaces: Rule = (definition) => {
  const { pidMode, ipcMode } = definition
  if (pidMode && !['task', 'host'].includes(pidMode)) {
    throw clientError('pidMode', `${shown(pidMode)}: task or host is allowed`)
  }
  if (ipcMode && !['task', 'host', 'none'].includes(ipcMode)) {
    throw clientError('ipcMode', `${shown(ipcMode)}: task, host or none is allowed`)
  }
  for (const { container, path } of containersOf(definition)) {
    const { initProcessEnabled, sharedMemorySize } = container.linuxParameters ?? {}
    if (pidMode && initProcessEnabled) {
      const rule = `pidMode is ${pidMode}, so no process of the container is its namespace's first`
      const at = `${path}.linuxParameters.initProcessEnabled`
      throw clientError(at, rule, 'Leave it out; what is orphaned is reaped')
    }
    if (ipcMode && sharedMemorySize) {
      const rule = `ipcMode is ${ipcMode}, so the container has no shared memory of its own`
      throw clientError(`${path}.linuxParameters.sharedMemorySize`, rule, 'Leave it out')
    }
  }
}
