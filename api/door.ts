// The agent's door while it starts. It listens from the first moment: /healthz says that the agent is
// alive and what it still waits for, and every other request is kept until there is an API to answer
// it, so that a restart is a pause to its callers and not a refusal.
//
//   socket ─▶ /healthz: alive, waits for …      anything else ─▶ kept ─▶ the API, once it is whole
//                                                              └─▶ 503 after 5 s, with what is waited for

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { isEcs, isLoopbackHost } from './guard.ts'
import type { Listening, Patience } from './listening.ts'
import { openListening, PATIENCE } from './listening.ts'

/** Where requests go once there is an API. */
export type Routes = {
  readonly route: (request: IncomingMessage, response: ServerResponse, isTcp: boolean) => void
  readonly upgrade: (request: IncomingMessage, socket: Duplex) => void
}

export type Door = Listening & {
  /** What the agent waits for, for whoever asks meanwhile. */
  waitFor(what: string): void
  /** From now on these answer, what was kept first. */
  open(routes: Routes): void
}

/** How long a request is kept, milliseconds: longer than a start takes when everything answers. */
const KEPT_MS = 5_000
/** At most so many at once (judgement): more come from nobody who waits for each. */
const KEPT_MAX = 100

/** Nobody listens yet. `patience`: how long clients may take; `keptMs`: for tests. */
export function openDoor(patience: Patience = PATIENCE, keptMs = KEPT_MS): Door {
  const kept = new Set<(routes: Routes) => void>()
  let routes: Routes | undefined
  let waitsFor = 'its start'

  function keep(request: IncomingMessage, response: ServerResponse, isTcp: boolean): void {
    const refuse = () => {
      forget()
      sendStarting(request, response, waitsFor)
    }
    if (kept.size >= KEPT_MAX) {
      sendStarting(request, response, waitsFor)
      return
    }
    const go = ({ route }: Routes) => {
      forget()
      route(request, response, isTcp)
    }
    const timer = setTimeout(refuse, keptMs)
    const forget = () => {
      clearTimeout(timer)
      kept.delete(go)
      response.off('close', forget)
    }
    response.on('close', forget)
    kept.add(go)
  }

  const listening = openListening(
    (request, response, isTcp) => {
      if (routes !== undefined) routes.route(request, response, isTcp)
      else if (request.url !== '/healthz' || (isTcp && !isLoopbackHost(request))) {
        keep(request, response, isTcp)
      } else sendJson(response, 200, { ok: true, waitsFor })
    },
    // A stream that nobody can serve yet: whoever wants one asks for the task first.
    (request, socket) =>
      routes === undefined ? socket.destroy() : routes.upgrade(request, socket),
    patience,
  )
  return {
    ...listening,
    waitFor(what) {
      waitsFor = what
    },
    open(opened) {
      routes = opened
      for (const go of kept) go(opened)
    },
    async close() {
      routes ??= { route: gone, upgrade: (_request, socket) => socket.destroy() }
      for (const go of kept) go(routes)
      await listening.close()
    },
  }
}

const gone: Routes['route'] = (request, response) =>
  sendStarting(request, response, 'nothing: it ends')

/** 503 in the form of the face that was asked. An SDK tries that again by itself. */
function sendStarting({ url = '' }: IncomingMessage, response: ServerResponse, what: string): void {
  const message = `the agent is starting, and waits for ${what}. Ask again; /healthz says when`
  const code = 'ServerException'
  response.setHeader('retry-after', '1')
  const body = isEcs(url) ? { __type: code, message } : { error: { code, message } }
  sendJson(response, 503, body)
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify(body))
}
