// The AWS SDK for JavaScript as any program uses it: the container provider by name, and the chain
// that a client has by itself. Prints who STS (at the URL in the first argument) says it is.

import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { fromHttp } from '@aws-sdk/credential-provider-http'

const [, , endpoint] = process.argv
const region = 'us-west-2'
const who = async (options) => {
  const client = new STSClient({ region, endpoint, maxAttempts: 1, ...options })
  return (await client.send(new GetCallerIdentityCommand({}))).Arn
}
const { expiration } = await fromHttp()()
console.log(
  JSON.stringify({
    byName: await who({ credentials: fromHttp() }),
    byItself: await who({}),
    isExpiring: expiration instanceof Date,
  }),
)
