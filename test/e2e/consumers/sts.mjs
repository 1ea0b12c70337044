// An STS that knows a few keys (KEYS: access key id → { secret, token, arn }) and answers
// GetCallerIdentity only where the request is signed with one of them. Signature Version 4 is worked
// out here from its document ("Create a signed AWS API request"), by no code of the SDK's.

import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'

const KEYS = JSON.parse(process.env.KEYS ?? '{}')
const sha256 = (text) => createHash('sha256').update(text).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()

/** Who signed the request; throws where nobody did. */
function signer({ method, url, headers }, body) {
  const [, id, scope, signed, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    ) ?? []
  const key = KEYS[id]
  if (key === undefined) throw new Error(`nobody knows the key ${id}`)
  if (headers['x-amz-security-token'] !== key.token) throw new Error('another token')
  if (!signed.split(';').includes('host')) throw new Error('the host is not signed')
  const [path, query = ''] = url.split('?')
  const lines = signed
    .split(';')
    .map((name) => `${name}:${headers[name].trim().replace(/ +/g, ' ')}`)
  const canonical = [method, path, query, ...lines, '', signed, sha256(body)].join('\n')
  const date = headers['x-amz-date']
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')
  const signingKey = scope.split('/').reduce(hmac, `AWS4${key.secret}`)
  if (hmac(signingKey, toSign).toString('hex') !== signature) throw new Error('another signature')
  return key
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const answer = (status, xml) =>
    response.writeHead(status, { 'content-type': 'text/xml' }).end(xml)
  try {
    if (!body.includes('Action=GetCallerIdentity')) throw new Error('another action')
    const { arn } = signer(request, body)
    const who = `<Arn>${arn}</Arn><UserId>AROA:task</UserId><Account>123456789012</Account>`
    const result = `<GetCallerIdentityResult>${who}</GetCallerIdentityResult>`
    const xmlns = 'https://sts.amazonaws.com/doc/2011-06-15/'
    answer(200, `<GetCallerIdentityResponse xmlns="${xmlns}">${result}</GetCallerIdentityResponse>`)
  } catch ({ message }) {
    const error = `<Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>${message}</Message>`
    answer(403, `<ErrorResponse><Error>${error}</Error></ErrorResponse>`)
  }
})
server.listen(8080, '0.0.0.0', () => console.log('up'))
