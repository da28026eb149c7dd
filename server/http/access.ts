/** What the routes of API keys and SMTP logins share: who may give what, what is shown, and times in requests. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { Grant } from '../services/access-terms.ts'
import type { CredentialInfo } from '../services/credentials.ts'
import type { KeyInfo } from '../services/keys.ts'
import { callerOf, mayCaller } from './auth.ts'
import { formatInstant, parseInstant } from './instant.ts'
import type { CredentialOut, KeyOut } from './schemas/access.ts'

/** Nobody gives what they do not have, and a test key makes nothing that sends. */
export function grantOf(request: FastifyRequest): Grant {
  const caller = callerOf(request)
  return {
    may: (permission) => mayCaller(request, permission),
    mode: caller.kind === 'key' ? caller.principal.mode : 'live',
  }
}

/** For answers with a secret: no cache and no history keeps them. */
export const keepNowhere = (reply: FastifyReply): FastifyReply =>
  reply.header('cache-control', 'no-store')

/** Epoch ms. The schema has checked the form; a day that does not exist is found here. */
export function instantOf(text: string): number
export function instantOf(text: string | undefined): number | undefined
export function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = parseInstant(text)
  if (at !== undefined) return at
  throw new AppError('BODY_INVALID', {
    fields: [{ path: 'expiresAt', message: 'is not a date that exists' }],
  })
}

export const endOf = (text: string | null | undefined): number | null | undefined =>
  text === null ? null : instantOf(text)

function factsView(row: KeyInfo | CredentialInfo) {
  const { lastUse, expiresAt, revokedAt } = row
  return {
    mode: row.mode,
    state: row.state,
    networks: [...row.networks],
    createdAt: formatInstant(row.createdAt),
    createdBy: row.createdBy,
    ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
    ...(revokedAt === undefined ? {} : { revokedAt: formatInstant(revokedAt) }),
    ...(lastUse === undefined
      ? {}
      : {
          lastUse: {
            at: formatInstant(lastUse.at),
            ip: lastUse.ip,
            ...(lastUse.country === undefined ? {} : { country: lastUse.country }),
          },
        }),
  }
}

export const keyView = (key: KeyInfo): KeyOut => ({
  id: encodeId('key', key.id),
  name: key.name,
  scopes: [...key.scopes],
  ...factsView(key),
  ...(key.requestsPerSecond === undefined ? {} : { requestsPerSecond: key.requestsPerSecond }),
  ...(key.replacedBy === undefined ? {} : { replacedBy: encodeId('key', key.replacedBy) }),
})

export function credentialView(credential: CredentialInfo): CredentialOut {
  const { limits, rotatedAt, formerUntil } = credential
  const { messagesPerHour, recipientsPerHour, connections, messageSize } = limits
  return {
    id: encodeId('credential', credential.id),
    username: credential.username,
    limits: {
      ...(messagesPerHour === undefined ? {} : { messagesPerHour }),
      ...(recipientsPerHour === undefined ? {} : { recipientsPerHour }),
      ...(connections === undefined ? {} : { connections }),
      ...(messageSize === undefined ? {} : { messageSize }),
    },
    ...factsView(credential),
    ...(rotatedAt === undefined ? {} : { rotatedAt: formatInstant(rotatedAt) }),
    ...(formerUntil === undefined ? {} : { formerUntil: formatInstant(formerUntil) }),
  }
}
