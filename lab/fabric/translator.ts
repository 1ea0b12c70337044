// A NAT gateway's namespace, opened: its interface configured, its rules in force, then forwarding.
// Everything of it belongs to that namespace and ends with it.

import fs from 'node:fs'
import { configureGuest } from './guest.ts'
import { openNftables } from './libnftables.ts'
import { withinPath } from './namespace.ts'
import { TRANSLATOR_SYSCTLS, translatorRuleset } from './translator-rules.ts'

/** What a NAT gateway's namespace is opened with. */
export type TranslatorPlan = {
  readonly netns: string
  readonly mac: string
  readonly ipv4: string
  readonly prefixLength: number
  readonly ipv4Gateway: string
}

/** Opens it; its link must be there. */
export function openTranslator(plan: TranslatorPlan): void {
  const { netns, mac, ipv4, prefixLength, ipv4Gateway } = plan
  withinPath(netns, () => {
    const nftables = openNftables()
    try {
      nftables.run(translatorRuleset(ipv4))
    } finally {
      nftables.close()
    }
  })
  configureGuest({ netns, mac, ipv4: [`${ipv4}/${prefixLength}`], ipv6: [], ipv4Gateway })
  withinPath(netns, () => {
    for (const [path, value] of TRANSLATOR_SYSCTLS) fs.writeFileSync(`/proc/sys/net/${path}`, value)
  })
}
