// Rules about kernel settings (systemControls). net.* are the network namespace's, which the task's
// containers share; the others are each container's own IPC namespace's, unless they share that too
// (ipcMode). Docker takes no other.

import { clientError, shown } from '../aws-error.ts'
import { isNet, isShared } from '../sandbox-spec.ts'
import type { Rule } from './rule.ts'
import { containersOf } from './rule.ts'

/** As ECS and Docker have them. */
const OF_IPC =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.\w+)$/

export const systemControls: Rule = (definition) => {
  const byName = new Map<string, { value: string; path: string }>()
  for (const { container, path: owner } of containersOf(definition)) {
    for (const [index, control] of (container.systemControls ?? []).entries()) {
      const { namespace = '', value } = control
      const path = `${owner}.systemControls[${index}]`
      checkName(namespace, `${path}.namespace`)
      if (value === undefined || value === '') throw clientError(`${path}.value`, 'is required')
      if (definition.ipcMode === 'host' && !isNet(namespace)) {
        const rule = 'ipcMode is host, so this would be a setting of the host'
        throw clientError(`${path}.namespace`, rule, 'Leave it out')
      }
      if (!isShared(namespace, definition.ipcMode)) continue
      const before = byName.get(namespace)
      if (before !== undefined && before.value !== value) {
        throw clientError(
          `${path}.value`,
          `${namespace} is ${shown(before.value)} in ${before.path} and ${shown(value)} here, but ` +
            'the containers of this task share the namespace',
          'Write it once',
        )
      }
      byName.set(namespace, { value, path })
    }
  }
}

function checkName(namespace: string, path: string): void {
  if (isNet(namespace) && /^net(\.[\w-]+)+$/.test(namespace)) {
    const [, , family, scope] = namespace.split('.')
    if (namespace.endsWith('.disable_ipv6')) {
      const rule = `${shown(namespace)}: the task's interface could not get its address`
      throw clientError(path, rule, 'Choose a subnet without IPv6')
    }
    if (family !== 'conf' && family !== 'neigh') return
    if (scope === 'all' || scope === 'default' || scope === 'lo') return
    const rule = `${shown(namespace)}: the task's interface is not there yet when this is set`
    throw clientError(path, rule, `Write net.….${family}.default or .all`)
  }
  if (OF_IPC.test(namespace)) return
  throw clientError(
    path,
    `${shown(namespace)}: net.*, kernel.msg*, kernel.sem, kernel.shm* and fs.mqueue.* are allowed`,
    'Others are the whole host’s',
  )
}
