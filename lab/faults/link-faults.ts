// Faults of hot-plugging: what EC2 says of an attachment, and what the host sees, go apart in time.
//
//   AttachNetworkInterface ──▶ attaching ──▶ attached      EC2's clock
//                          ──▶ link appears                the host's clock

import { type CallKind, durationMs, OF_ENI } from './kind.ts'

const ATTACH = { action: 'AttachNetworkInterface' } as const
const TIMED = [...OF_ENI, 'seconds'] as const

/** The faults of this family. */
export const LINK_FAULTS = {
  'link-never': {
    family: 'call',
    summary: 'EC2 says attached, and the link never appears',
    options: OF_ENI,
    defaults: ATTACH,
    onCall({ plan }) {
      plan.linkMs = Number.POSITIVE_INFINITY
      return true
    },
  },
  'link-early': {
    family: 'call',
    summary: 'the link appears --seconds (3) before the answer to AttachNetworkInterface',
    options: TIMED,
    defaults: { ...ATTACH, seconds: 3 },
    onCall({ plan, options }) {
      plan.linkMs = 0
      plan.afterMs += durationMs(options)
      return true
    },
  },
  'link-late': {
    family: 'call',
    summary: 'the link appears --seconds (5) after the answer to AttachNetworkInterface',
    options: TIMED,
    defaults: { ...ATTACH, seconds: 5 },
    onCall({ plan, options }) {
      plan.linkMs = Math.max(plan.linkMs, durationMs(options))
      return true
    },
  },
  'link-twice': {
    family: 'call',
    summary: 'the link appears, goes --seconds (0.5) later, and appears again',
    options: TIMED,
    defaults: { ...ATTACH, seconds: 0.5 },
    onCall({ plan, options }) {
      plan.againMs = durationMs(options)
      return true
    },
  },
  'attach-slow': {
    family: 'call',
    summary: 'EC2 says attaching for --seconds (15); the link is there all the same',
    options: TIMED,
    defaults: { ...ATTACH, seconds: 15 },
    onCall({ plan, options }) {
      plan.settleMs = Math.max(plan.settleMs, durationMs(options))
      return true
    },
  },
  'detach-slow': {
    family: 'call',
    summary: 'EC2 says detaching for --seconds (60), and does not delete the ENI; the link is gone',
    options: TIMED,
    defaults: { action: 'DetachNetworkInterface', seconds: 60 },
    onCall({ plan, options }) {
      plan.settleMs = Math.max(plan.settleMs, durationMs(options))
      return true
    },
  },
} as const satisfies Record<string, CallKind>
