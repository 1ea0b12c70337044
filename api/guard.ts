// Who may ask over TCP, and how. A loopback port can be reached by every web page that a browser on
// this machine has open, so two things are checked before anything is read:
//
//   Host          must name the loopback itself: a rebound DNS name is turned away
//   Content-Type  a POST must say JSON: such a request cannot be sent cross-site without asking first

import type { IncomingMessage } from 'node:http'
import { AwsError, shown } from './aws-error.ts'
import { AWS_JSON } from './ecs-route.ts'

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

/** Whether the Host header names the loopback. */
export function isLoopbackHost({ headers: { host = '' } }: IncomingMessage): boolean {
  return LOOPBACK_NAMES.includes(host.replace(/:[0-9]{1,5}$/, '').toLowerCase())
}

/** Throws AwsError unless the Host header names the loopback. Only for requests over TCP. */
export function checkHost(request: IncomingMessage): void {
  if (isLoopbackHost(request)) return
  const { host = '' } = request.headers
  throw new AwsError(
    'AccessDeniedException',
    `Host ${shown(host)} is not this machine's loopback`,
    {
      hint: `Use one of ${LOOPBACK_NAMES.join(', ')}, or the unix socket`,
    },
  )
}

/** Throws AwsError for a POST that does not say the media type of its face. */
export function checkMediaType({ method, headers, url = '' }: IncomingMessage): void {
  if (method !== 'POST') return
  const wanted = isEcs(url) ? AWS_JSON : 'application/json'
  const given = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (given === wanted) return
  throw new AwsError('SerializationException', `Content-Type ${shown(given)}: not ${wanted}`, {
    hint: `Send the header content-type: ${wanted}`,
    restStatus: 415,
  })
}

/** Whether a request is for the ECS face; everything else is REST. */
export const isEcs = (url: string): boolean => url.split('?', 1)[0] === '/'
