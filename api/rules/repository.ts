// Rules about the login to an image's registry.

import { clientError, shown } from '../aws-error.ts'
import { secretSource } from '../secret-spec.ts'
import { checkForm, containersOf, type Rule } from './rule.ts'

/** A name of a secret, in the host's own region and account. */
const NAME = /^[A-Za-z0-9/_+=.@-]{1,512}$/

export const repositoryCredentials: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    const { credentialsParameter: text } = container.repositoryCredentials ?? {}
    if (container.repositoryCredentials === undefined) continue
    const at = `${path}.repositoryCredentials.credentialsParameter`
    if (!text) throw clientError(at, 'is required')
    if (!text.startsWith('arn:') && !text.startsWith('file:')) {
      checkForm(at, text, NAME, 'it must be the ARN or the name of a secret of Secrets Manager')
      continue
    }
    const from = secretSource(text)
    if ('rule' in from) throw clientError(at, `${shown(text)} ${from.rule}`)
    if (from.store !== 'ssm' && !('jsonKey' in from)) continue
    const rule = 'a login is a whole secret of Secrets Manager, with username and password'
    throw clientError(at, `${shown(text)}: ${rule}`, 'Write the ARN or the name of the secret')
  }
}
