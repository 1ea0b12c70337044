// IMDSv2 session tokens. A token says when it ends and carries a signature over that and the
// instance it was given to, so the lab remembers none of them and a token is of no use elsewhere.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** The longest a token may live: six hours (EC2 user guide). */
export const TOKEN_SECONDS_MAX = 21_600

export class Tokens {
  readonly #secret: Buffer

  /** A lab that is taken over has the secret of the one before, whose tokens so hold. */
  constructor(secret: Buffer = randomBytes(32)) {
    this.#secret = secret
  }

  /** A token for that instance, good for that many seconds from `nowMs`. */
  issue(instanceId: string, seconds: number, nowMs: number): string {
    const body = Buffer.alloc(6)
    body.writeUIntBE(nowMs + seconds * 1000, 0, 6)
    return Buffer.concat([body, this.#sign(instanceId, body)]).toString('base64url')
  }

  /** Whether the token was given to that instance and has not ended. */
  accepts(instanceId: string, token: string, nowMs: number): boolean {
    const bytes = Buffer.from(token, 'base64url')
    if (bytes.length !== 6 + 32) return false
    const body = bytes.subarray(0, 6)
    const good = timingSafeEqual(bytes.subarray(6), this.#sign(instanceId, body))
    return good && body.readUIntBE(0, 6) > nowMs
  }

  #sign(instanceId: string, body: Buffer): Buffer {
    return createHmac('sha256', this.#secret).update(instanceId).update(body).digest()
  }
}
