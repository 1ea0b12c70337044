// Which boot of this host it is: the kernel makes an id of it up at every boot (random(4)).

import { readFileSync } from 'node:fs'

/** The boot id, as long as the host is up. */
export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
