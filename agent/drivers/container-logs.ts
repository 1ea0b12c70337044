// What a container wrote, from Docker: the last lines of both streams in the order they came.
// Docker frames them so: one byte stream number, three zero bytes, four bytes length, then text.
// A container with a terminal has one stream, and no frames.

import type { ContainerFacts, Docker } from './docker.ts'
import type { Written } from './docker-frames.ts'
import { framesOf, plainOf } from './docker-frames.ts'

/** What is kept of a container's log once the container is gone, bytes. */
export const LOG_TAIL_BYTES = 64 * 1024

/** How many lines are read for that: enough for the bytes, and a bound on what dockerd sends. */
const LOG_TAIL_LINES = 2000

/** The last `lines` of a container's log as text, or undefined where there is no such container. */
export async function containerLogs(
  docker: Docker,
  containerId: string,
  lines: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const facts = await docker.inspect(containerId, signal)
  return facts && (await textOf(docker, facts, lines, signal))?.toString('utf8')
}

/** The last `lines` and what follows until it ends, or undefined where there is no such container. */
export async function followContainer(
  docker: Docker,
  containerId: string,
  lines: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Written> | undefined> {
  const facts = await docker.inspect(containerId, signal)
  const stream = facts && (await docker.followLogs(containerId, lines, signal))
  return stream && (facts.Config.Tty ? plainOf(stream) : framesOf(stream))
}

/** The last 64 KiB of a container's log, cut at the start of a line. */
export async function logTail(
  docker: Docker,
  facts: ContainerFacts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const text = await textOf(docker, facts, LOG_TAIL_LINES, signal)
  return text && lastBytes(text, LOG_TAIL_BYTES).toString('utf8')
}

async function textOf(
  docker: Docker,
  { Id, Config }: ContainerFacts,
  lines: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const raw = await docker.rawLogs(Id, lines, signal)
  return raw && !Config.Tty ? unframe(raw) : raw
}

/** The text of both streams without the frames; a torn last frame ends it. */
export function unframe(raw: Buffer): Buffer {
  const texts: Buffer[] = []
  for (let at = 0; at + 8 <= raw.length; ) {
    const length = raw.readUInt32BE(at + 4)
    texts.push(raw.subarray(at + 8, at + 8 + length))
    at += 8 + length
  }
  return Buffer.concat(texts)
}

/** At most the last `max` bytes; whole lines only, but for one line that is longer than that. */
export function lastBytes(text: Buffer, max: number): Buffer {
  if (text.length <= max) return text
  const tail = text.subarray(text.length - max)
  const newline = tail.indexOf(0x0a)
  return newline === -1 || newline === tail.length - 1 ? tail : tail.subarray(newline + 1)
}
