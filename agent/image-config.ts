// The settings about images, named and valued as the ECS agent has them where it does. Part of config.ts.

import type { Behaviour } from './drivers/image.ts'
import { type Setting, trueOrFalse } from './setting.ts'

export type ImageConfig = {
  /** When an image is pulled though this host has it: ECS_IMAGE_PULL_BEHAVIOR. */
  readonly imagePullBehavior: Behaviour
  /** A file like Docker's config.json with logins to registries, or undefined: ECS_ENGINE_AUTH_DATA. */
  readonly registryAuth: string | undefined
  /** Which images are removed when nothing uses them: none, those that were pulled for tasks, or all. */
  readonly imageCleanup: 'off' | 'pulled' | 'all'
  /** Between two clean-ups, milliseconds: ECS_IMAGE_CLEANUP_INTERVAL. */
  readonly imageCleanupIntervalMs: number
  /** No image that was pulled later is removed, milliseconds: ECS_IMAGE_MINIMUM_CLEANUP_AGE. */
  readonly imageMinimumAgeMs: number
  /** At most so many go in one clean-up: ECS_NUM_IMAGES_DELETE_PER_CYCLE. */
  readonly imagesPerCleanup: number
  /** Names that are never removed: ECS_EXCLUDE_UNTRACKED_IMAGE. */
  readonly imageCleanupExclude: readonly string[]
  /** Whether containers may be privileged. */
  readonly privileged: boolean
  /** Whether containers may have NET_ADMIN, which can take the block of IMDS off their own link. */
  readonly netAdmin: boolean
}

const BEHAVIOURS: readonly Behaviour[] = ['default', 'always', 'once', 'prefer-cached']
const CLEANUPS = ['off', 'pulled', 'all'] as const
const DAYS_30_MS = 2_592_000_000

export const IMAGE_SETTINGS: { readonly [K in keyof ImageConfig]: Setting<ImageConfig[K]> } = {
  imagePullBehavior: {
    default: 'default',
    rule: `one of ${BEHAVIOURS.join(', ')}`,
    parse: (text) => BEHAVIOURS.find((one) => one === text),
  },
  registryAuth: {
    default: '',
    rule: "an absolute path of a file like Docker's config.json, or empty for none",
    parse: (text) => (text.startsWith('/') ? text : undefined),
  },
  imageCleanup: {
    default: 'pulled',
    rule: 'off, pulled (only what was pulled for tasks) or all',
    parse: (text) => CLEANUPS.find((one) => one === text),
  },
  imageCleanupIntervalMs: {
    default: '1800000',
    rule: 'milliseconds, from 1000 to 2592000000 (30 days)',
    parse: (text) => wholeIn(text, 1000, DAYS_30_MS),
  },
  imageMinimumAgeMs: {
    default: '3600000',
    rule: 'milliseconds, from 0 to 2592000000 (30 days)',
    parse: (text) => wholeIn(text, 0, DAYS_30_MS),
  },
  imagesPerCleanup: {
    default: '5',
    rule: 'a whole number from 1 to 1000',
    parse: (text) => wholeIn(text, 1, 1000),
  },
  imageCleanupExclude: {
    default: '',
    rule: 'names of images, separated by commas',
    parse: (text) => text.split(',').flatMap((name) => name.trim() || []),
  },
  privileged: {
    default: 'false',
    rule: 'true (containers may be privileged: root on this host) or false',
    parse: trueOrFalse,
  },
  netAdmin: {
    default: 'false',
    rule: 'true (containers may have NET_ADMIN, and take the block of IMDS away) or false',
    parse: trueOrFalse,
  },
}

function wholeIn(text: string, min: number, max: number): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}
