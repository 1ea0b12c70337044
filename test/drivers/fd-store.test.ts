// Goal: what systemd says it hands over is read as sd_listen_fds(3) says, is taken out of the
// environment, and nothing is made of what is not for this process. (test/net/fd-store.test.ts has the
// open files themselves.) Method: environments, and one real file.

import { closeSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isFdName, listenFds, openFdStore } from '../../agent/drivers/fd-store.ts'

test('names go with the files from 3 on, in their order', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: '/run/netns/a:/run/netns/b' }
  expect(listenFds(env, 7)).toEqual([
    { fd: 3, name: '/run/netns/a' },
    { fd: 4, name: '/run/netns/b' },
  ])
  const nameless = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: ':b' }
  expect(listenFds(nameless, 7).map(({ name }) => name)).toEqual(['unknown', 'b'])
  expect(listenFds({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toEqual([{ fd: 3, name: 'unknown' }])
})

test.each([
  ['of another process', { LISTEN_PID: '8', LISTEN_FDS: '2' }],
  ['without a process', { LISTEN_FDS: '2' }],
  ['without a number', { LISTEN_PID: '7', LISTEN_FDS: 'two' }],
  ['of none', { LISTEN_PID: '7', LISTEN_FDS: '0' }],
  ['that do not exist', {}],
])('variables %s hand nothing over', (_what, env) => {
  expect(listenFds(env, 7)).toEqual([])
})

test('a name is ASCII to be printed, without a colon, of 255 at most', () => {
  for (const name of ['/var/run/docker/netns/0123456789ab', 'a b~', '9;', 'x'.repeat(255)]) {
    expect(isFdName(name), name).toBe(true)
  }
  for (const name of ['', 'a:b', 'a\nFDSTORE=1', 'ä', '\x7f', 'x'.repeat(256)]) {
    expect(isFdName(name), name).toBe(false)
  }
})

test('the variables are taken out of the environment, whoever they were for', () => {
  for (const pid of [1, process.pid]) {
    const env = {
      ...{ LISTEN_PID: String(pid), LISTEN_FDS: '0', LISTEN_FDNAMES: '', LISTEN_PIDFDID: '1' },
      NOTIFY_SOCKET: '',
    }
    expect(openFdStore(env).inherited).toEqual([])
    expect(env).toEqual({ NOTIFY_SOCKET: '' })
  }
})

test('without a systemd nothing is told to anybody', () => {
  const store = openFdStore({})
  const fd = openSync('/dev/null', 'r')
  expect(() => store.keep('/run/netns/a', fd)).not.toThrow()
  expect(() => store.forget('/run/netns/a')).not.toThrow()
  closeSync(fd)
})
