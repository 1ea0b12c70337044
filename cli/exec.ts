// `enid exec`: runs a program in a container of a task. With a terminal on both sides it gets one there,
// too; its exit code is ours.
//
//   POST /tasks/…/exec ─▶ a path, good once ─▶ GET it with Upgrade: enid-exec ─▶ frames both ways

import type { Duplex } from 'node:stream'
import { agentAddress, connectAgent, upgrade } from './agent-connection.ts'
import type { Call, Command } from './command.ts'
import { AGENT_FLAGS, CommandError, EXIT } from './command.ts'
import { findTasks } from './task-view.ts'

/** `enid exec TASK -- CMD…`. */
export const exec: Command = {
  name: 'exec',
  usage: 'TASK [--container NAME] [--user NAME] [--no-tty] -- CMD…',
  summary: 'run a program in a container of a task, and exit as it does',
  flags: {
    container: {
      value: 'NAME',
      short: 'c',
      text: 'the container; needed where the task has several',
    },
    user: { value: 'NAME', short: 'u', text: "as whom; as the container's own program" },
    'no-tty': { text: 'no terminal, though there is one here' },
    socket: AGENT_FLAGS.socket,
    endpoint: AGENT_FLAGS.endpoint,
  },
  positionals: [1, 1],
  notes: [
    'What stands after -- is the program and its arguments; no shell reads them.',
    'Exits as the program does. One whose caller goes away runs on, without input and output.',
  ],
  async run(call) {
    if (call.rest.length === 0) {
      throw new CommandError(EXIT.usage, 'enid exec: name the program: enid exec TASK -- CMD…')
    }
    const address = agentAddress(call)
    const agent = connectAgent(address)
    const [task] = await findTasks(agent, call.positionals)
    const tty = !call.on('no-tty') && process.stdin.isTTY === true && process.stdout.isTTY === true
    const order = { command: call.rest, tty, ...named(call, 'container'), ...named(call, 'user') }
    const answer = await agent.post(`/tasks/${task?.taskId}/exec`, order)
    if (answer === undefined) {
      throw new CommandError(EXIT.failed, 'this agent knows no exec: is it of an older version?')
    }
    const { path, upgrade: protocol } = answer as { path: string; upgrade: string }
    const socket = await upgrade(address, path, protocol)
    return await converse(socket, tty)
  },
}

const named = (call: Call, flag: string): Record<string, string> => {
  const value = call.one(flag)
  return value === undefined ? {} : { [flag]: value }
}

/** Kinds of frames; docs/services.md has them. */
const TO = { input: 0, inputOver: 1, size: 2 } as const
const FROM = { output: 1, errors: 2, exit: 3, failure: 4 } as const
const HEADER = 5

function frame(kind: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(kind)
  header.writeUInt32BE(data.length, 1)
  return Buffer.concat([header, data])
}

/** Carries input and output until the program has ended; its exit code. */
async function converse(socket: Duplex, tty: boolean): Promise<number> {
  const { stdin, stdout, stderr } = process
  const size = () => {
    const data = Buffer.alloc(4)
    data.writeUInt16BE(stdout.columns ?? 80, 0)
    data.writeUInt16BE(stdout.rows ?? 24, 2)
    socket.write(frame(TO.size, data))
  }
  if (tty) {
    stdin.setRawMode(true)
    stdout.on('resize', size)
    size()
  }
  stdin.on('data', (data: Buffer) => {
    if (socket.write(frame(TO.input, data))) return
    stdin.pause()
    socket.once('drain', () => stdin.resume())
  })
  stdin.once('end', () => socket.write(frame(TO.inputOver)))
  try {
    for await (const { kind, data } of framesOf(socket)) {
      if (kind === FROM.output) stdout.write(data)
      if (kind === FROM.errors) stderr.write(data)
      if (kind === FROM.exit) return data.readUInt32BE()
      if (kind === FROM.failure) throw new CommandError(EXIT.failed, data.toString())
    }
  } finally {
    if (tty) stdin.setRawMode(false)
    stdout.off('resize', size)
    socket.destroy()
    // What we wait for is over, whatever is still to be typed.
    stdin.destroy()
  }
  throw new CommandError(EXIT.failed, 'the agent went away; the program may run on: enid ps')
}

async function* framesOf(stream: AsyncIterable<Buffer>) {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= HEADER && rest.length >= HEADER + rest.readUInt32BE(1)) {
      const end = HEADER + rest.readUInt32BE(1)
      yield { kind: rest.readUInt8(), data: rest.subarray(HEADER, end) }
      rest = rest.subarray(end)
    }
  }
}
