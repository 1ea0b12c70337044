// Rules about the login to an image's registry.

import { clientError } from '../aws-error.ts'
import { checkForm, containersOf, type Rule } from './rule.ts'

/** The ARN of a secret of Secrets Manager, or its name in the host's own region and account. */
const SECRET =
  /^(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,512}$/

export const repositoryCredentials: Rule = (definition) => {
  for (const { container, path } of containersOf(definition)) {
    const { repositoryCredentials: given } = container
    if (given === undefined) continue
    const at = `${path}.repositoryCredentials.credentialsParameter`
    if (!given.credentialsParameter) throw clientError(at, 'is required')
    const rule = 'it must be the ARN or the name of a secret of Secrets Manager'
    checkForm(at, given.credentialsParameter, SECRET, rule)
  }
}
