// Goal: what dockerd answers after it was ended in the middle of something is told from what can
// never work. Method: its own words, as they were seen (Docker 20.10 killed in a loop).

import { expect, test } from 'vitest'
import { dockerFailure } from '../../agent/drivers/docker-failure.ts'

const answer = (message: string, statusCode = 500) =>
  Object.assign(new Error(message), { statusCode, json: { message } })

test.each([
  [
    'what containerd still clears away',
    'failed to start shim: mkdir /run/s/abc: file exists: unknown',
  ],
  ['what was cut short', 'context canceled'],
  ['a dockerd that is going', 'server is shutting down'],
])('%s is tried again', (_what, message) => {
  const { kind } = dockerFailure(answer(message), 'CannotStartContainerError', 'refused')
  expect(kind).toBe('transient')
})

test.each([
  ['a container that runs where Docker does not know it', 'id already in use', 409],
  ['a name that is taken', 'Conflict. The container name "/a" is already in use', 409],
  ['a path that is there already', 'mkdir /srv: file exists', 500],
])('%s is not', (_what, message, status) => {
  const failure = dockerFailure(answer(message, status), 'CannotStartContainerError', 'refused')
  expect(failure).toMatchObject({
    kind: 'refused',
    code: 'CannotStartContainerError',
    message: `Error response from daemon: ${message}`,
  })
})
