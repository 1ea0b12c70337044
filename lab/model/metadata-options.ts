// How an instance may ask for its metadata: EC2's MetadataOptions, their limits and the defaults of
// the lab's instances. IMDS obeys them (lab/imds/), DescribeInstances shows them.

import { badValue, Refusal } from './refusal.ts'
import type { Instance, MetadataOptions } from './world.ts'

/**
 * What an instance of the lab has until told otherwise: tokens are required and travel one hop, as
 * EC2 launches it; IMDS answers over IPv6 too, which on EC2 has to be asked for at the launch.
 */
export const METADATA_DEFAULTS: MetadataOptions = {
  httpTokens: 'required',
  httpPutResponseHopLimit: 1,
  httpEndpoint: 'enabled',
  httpProtocolIpv6: 'enabled',
  instanceMetadataTags: 'disabled',
}

const HOPS_MAX = 64
const STATES = ['enabled', 'disabled'] as const

/** The instance's options. */
export const metadataOptionsOf = ({ metadataOptions }: Instance): MetadataOptions =>
  metadataOptions ?? METADATA_DEFAULTS

/** What a caller may ask for. Absent members stay as they are. */
export type MetadataWish = {
  readonly HttpTokens?: string | undefined
  readonly HttpPutResponseHopLimit?: number | undefined
  readonly HttpEndpoint?: string | undefined
  readonly HttpProtocolIpv6?: string | undefined
  readonly InstanceMetadataTags?: string | undefined
}

/** The options as they become. `tagKeys` are the instance's, which IMDS must be able to show. */
export function changedOptions(
  before: MetadataOptions,
  wish: MetadataWish,
  tagKeys: readonly string[],
): MetadataOptions {
  if (Object.values(wish).every((value) => value === undefined)) {
    throw new Refusal('MissingParameter', 'Give at least one of the metadata options.')
  }
  const hops = wish.HttpPutResponseHopLimit ?? before.httpPutResponseHopLimit
  if (hops < 1 || hops > HOPS_MAX) {
    throw badValue('HttpPutResponseHopLimit', hops, `It must be 1 to ${HOPS_MAX}.`)
  }
  const tags = oneOf('InstanceMetadataTags', STATES, wish.InstanceMetadataTags)
  const unfit = tagKeys.find((key) => !fitsPath(key))
  if (tags === 'enabled' && unfit !== undefined) {
    throw badValue('InstanceMetadataTags', tags, `The tag key '${unfit}' ${TAG_RULE}`)
  }
  return {
    httpTokens:
      oneOf('HttpTokens', ['optional', 'required'] as const, wish.HttpTokens) ?? before.httpTokens,
    httpPutResponseHopLimit: hops,
    httpEndpoint: oneOf('HttpEndpoint', STATES, wish.HttpEndpoint) ?? before.httpEndpoint,
    httpProtocolIpv6:
      oneOf('HttpProtocolIpv6', STATES, wish.HttpProtocolIpv6) ?? before.httpProtocolIpv6,
    instanceMetadataTags: tags ?? before.instanceMetadataTags,
  }
}

/** Whether IMDS can show a tag of that key: it becomes a part of a path. */
export const fitsPath = (key: string): boolean =>
  /^[A-Za-z0-9+\-=.,_:@]+$/.test(key) && !/^(\.{1,2}|_index)$/.test(key)

const TAG_RULE = 'is no part of a path: IMDS shows letters, digits and + - = . , _ : @ only.'

function oneOf<T extends string>(
  name: string,
  allowed: readonly T[],
  value: string | undefined,
): T | undefined {
  if (value === undefined) return undefined
  const found = allowed.find((each) => each === value)
  if (found === undefined) throw badValue(name, value, `It must be ${allowed.join(' or ')}.`)
  return found
}
