// Stand-ins for SSM, Secrets Manager, S3 and STS on loopback: as much of each protocol as the agent
// speaks, answered from what a test says; signatures are not looked at, but whose key it was is kept.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An answer: a text is a 200 with it; otherwise the status and AWS's name of the error. */
export type Answer = string | { readonly status: number; readonly code: string }

export type Stores = {
  readonly url: string
  /** Texts by parameter, secret id (with `|stage|version` where asked for) and `/bucket/key`. */
  readonly answers: Map<string, Answer>
  /** What was asked for, with the access key that signed it. */
  readonly asked: { what: string; key: string }[]
  close(): Promise<void>
}

/** Starts one server that is all of them. */
export async function openStores(): Promise<Stores> {
  const answers = new Map<string, Answer>()
  const asked: Stores['asked'] = []
  const server = createServer(async (request, response) => {
    const { status, body } = reply(await textOf(request), request)
    response.writeHead(status, { 'x-amzn-requestid': 'request-1' }).end(body)
  })

  function reply(text: string, { headers, url = '' }: IncomingMessage) {
    const target = String(headers['x-amz-target'] ?? '')
    const key = /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1] ?? 'nobody'
    if (text.includes('Action=AssumeRole')) return assumed(new URLSearchParams(text), key)
    const { Names, SecretId, VersionStage, VersionId, WithDecryption } =
      target === '' ? ({} as never) : JSON.parse(text)
    const version = VersionStage || VersionId ? `|${VersionStage ?? ''}|${VersionId ?? ''}` : ''
    const what: string =
      target === '' ? url.replace(/\?.*/, '') : (Names?.[0] ?? SecretId + version)
    asked.push({ what, key })
    const answer = answers.get(what)
    if (typeof answer === 'object') return refusal(answer.status, answer.code, target === '')
    switch (target) {
      case 'AmazonSSM.GetParameters': {
        if (!WithDecryption) return refusal(400, 'NotDecrypted', false)
        const found = answer === undefined ? [] : [{ Name: what, Value: answer }]
        return json({ Parameters: found, InvalidParameters: answer === undefined ? Names : [] })
      }
      case 'secretsmanager.GetSecretValue':
        if (answer === undefined) return refusal(400, 'ResourceNotFoundException', false)
        return json({ ARN: SecretId, Name: 'n', SecretString: answer })
      default:
        return answer === undefined
          ? refusal(404, 'NoSuchKey', true)
          : { status: 200, body: answer }
    }
  }

  function assumed(form: URLSearchParams, key: string) {
    asked.push({ what: `${form.get('RoleArn')} ${form.get('RoleSessionName')}`, key })
    const Expiration = new Date(Date.now() + 3_600_000).toISOString()
    const given = `<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>${Expiration}</Expiration>`
    const result = `<AssumeRoleResult><Credentials>${given}</Credentials></AssumeRoleResult>`
    const xmlns = 'https://sts.amazonaws.com/doc/2011-06-15/'
    return {
      status: 200,
      body: `<AssumeRoleResponse xmlns="${xmlns}">${result}</AssumeRoleResponse>`,
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    asked,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const json = (body: object) => ({ status: 200, body: JSON.stringify(body) })

const refusal = (status: number, code: string, isXml: boolean) => ({
  status,
  body: isXml
    ? `<Error><Code>${code}</Code><Message>no</Message></Error>`
    : JSON.stringify({ __type: code, message: 'no' }),
})

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}
