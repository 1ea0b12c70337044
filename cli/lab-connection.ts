// How the commands find a lab and talk to it: /run/enid-lab/<name>/lab.json says where it listens,
// its own routes under /lab/ do the rest.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { send } from './agent-connection.ts'
import type { Call } from './command.ts'
import { CommandError, EXIT } from './command.ts'

/** Where every lab says that it is there. */
const LABS = '/run/enid-lab'

/** A lab's own routes: each answers one JSON document. */
export type LabConnection = {
  readonly name: string
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown>
  /** The lines of an answer that has no end of its own, as they come. */
  lines(path: string): AsyncIterable<string>
}

/** The name of the lab that is meant: --name, ENID_LAB, or `default`. */
export const labName = (call: Call): string =>
  call.one('name') ?? (process.env.ENID_LAB || 'default')

/** The lab of that name. Throws a CommandError when none has announced itself. */
export function connectLab(name: string): LabConnection {
  const absent = (why: string) =>
    new CommandError(EXIT.unreachable, `no lab named ${name} answers (${why}). Start it: enid lab`)
  const port = announcedPort(name)
  if (port === undefined) throw absent(`nothing in ${LABS}/${name}`)
  const address = { host: '127.0.0.1', port, name: `127.0.0.1:${port}` }
  return {
    name,
    async ask(method, path, body) {
      const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
      const question = { method, path, ...(body === undefined ? {} : json) }
      const answer = await send(address, question).catch((error: NodeJS.ErrnoException) => {
        throw absent(error.code ?? error.message)
      })
      return answered(answer)
    },
    async *lines(path) {
      const asked = request({ ...address, path }).end()
      const came = once(asked, 'response') as Promise<[IncomingMessage]>
      const [answer] = await came.catch((error: NodeJS.ErrnoException) => {
        throw absent(error.code ?? error.message)
      })
      if (answer.statusCode !== 200) {
        answered({ status: answer.statusCode ?? 0, body: await text(answer) })
      }
      for await (const line of createInterface({ input: answer })) if (line !== '') yield line
    },
  }
}

/** The port that a lab has announced; a killed one leaves its announcement behind. */
export function announcedPort(name: string): number | undefined {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) {
    throw new CommandError(
      EXIT.usage,
      `the lab's name is "${name}": use lower-case letters, digits and "-", at most 32`,
    )
  }
  try {
    const file = JSON.parse(readFileSync(`${LABS}/${name}/lab.json`, 'utf8')) as { port?: number }
    return file.port
  } catch {
    return undefined
  }
}

function answered({ status, body }: { status: number; body: string }): unknown {
  const document = JSON.parse(body) as { error?: { code?: string; message?: string } }
  if (status < 400) return document
  const { code = `HTTP ${status}`, message = '' } = document.error ?? {}
  throw new CommandError(EXIT.failed, `${code}: ${message}`)
}
