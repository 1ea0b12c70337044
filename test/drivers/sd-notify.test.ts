// Goal: systemd hears READY, STOPPING and WATCHDOG, and nobody is bothered where no systemd asked.
// Method: a real unix datagram socket plays systemd's part (Node has none, hence the C library).

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import koffi from 'koffi'
import { expect, test } from 'vitest'
import { sdNotify, watchdogIntervalMs } from '../../agent/drivers/sd-notify.ts'

const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int, int, int)')
const bind = libc.func('int bind(int, const uint8_t *, uint32_t)')
const recv = libc.func('int64_t recv(int, _Out_ uint8_t *, size_t, int)')
const close = libc.func('int close(int)')
const AF_UNIX = 1
const SOCK_DGRAM = 2
const MSG_DONTWAIT = 0x40

function listenAt(name: string): { hear(): string; end(): void } {
  const path = Buffer.from(name.replace(/^@/, '\0'))
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), path])
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0) as number
  expect(bind(fd, address, address.length)).toBe(0)
  return {
    hear() {
      const data = Buffer.alloc(100)
      const length = Number(recv(fd, data, data.length, MSG_DONTWAIT))
      return length < 0 ? '' : data.toString('utf8', 0, length)
    },
    end: () => close(fd),
  }
}

test('a message reaches the socket that systemd named, by path or abstract', () => {
  const folder = mkdtempSync(join(tmpdir(), 'enid-notify-'))
  for (const name of [join(folder, 'notify'), `@enid-notify-${process.pid}`]) {
    const systemd = listenAt(name)
    for (const message of ['READY=1', 'WATCHDOG=1', 'STOPPING=1']) {
      sdNotify(message, name)
      expect(systemd.hear()).toBe(message)
    }
    expect(systemd.hear()).toBe('')
    systemd.end()
  }
  rmSync(folder, { recursive: true })
})

test('nothing happens where no systemd asked', () => {
  expect(() => sdNotify('READY=1', '')).not.toThrow()
  expect(() => sdNotify('READY=1', undefined)).not.toThrow()
})

test('a socket that is not there is said, and so is a name that cannot be one', () => {
  expect(() => sdNotify('READY=1', '/nowhere/notify')).toThrow('/nowhere/notify did not take it')
  expect(() => sdNotify('READY=1', `/${'x'.repeat(120)}`)).toThrow('too long')
})

test('the watchdog is fed twice in its time, and not where there is none', () => {
  expect(watchdogIntervalMs('30000000')).toBe(15_000)
  expect(watchdogIntervalMs('')).toBeUndefined()
  expect(watchdogIntervalMs('often')).toBeUndefined()
})
