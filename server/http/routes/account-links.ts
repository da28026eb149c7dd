/** Changes to an account that a mailed link confirms: a forgotten password, another address, a lock. */
import Type from 'typebox'
import type { AccountLinks } from '../../services/account-links.ts'
import { actorOf, sessionOf, whenceOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import {
  AccountEmail,
  EmailChange,
  LinkToken,
  ResetFinish,
  ResetRequest,
} from '../schemas/people.ts'

const tags = ['Account']
/** Without a body: null would be sent as JSON. */
const Underway = Type.Unsafe<undefined>(
  Type.Null({ description: 'Taken; what there is to tell goes out by mail.' }),
)

export function accountLinkRoutes(app: HttpApp, { links }: { readonly links: AccountLinks }): void {
  app.post(
    '/v1/password-resets',
    {
      config: { public: true },
      schema: {
        operationId: 'requestPasswordReset',
        tags,
        summary: 'Ask for a new password',
        description:
          'Mails a link when there is such an account. The answer is the same when there is none.',
        body: ResetRequest,
        response: { 202: Underway },
      },
    },
    async (request, reply) => {
      await links.requestReset(request.body.email, whenceOf(request))
      return reply.code(202).send(undefined)
    },
  )

  app.post(
    '/v1/password-resets/finish',
    {
      config: { public: true, refuses: ['LINK_INVALID', 'PASSWORD_WEAK'] },
      schema: {
        operationId: 'finishPasswordReset',
        tags,
        summary: 'Set a new password',
        description:
          'Uses the mailed link. Every session of the person ends; a second factor stays as it is.',
        body: ResetFinish,
        response: { 200: AccountEmail },
      },
    },
    async (request) => links.finishReset(request.body, whenceOf(request)),
  )

  app.post(
    '/v1/account/email',
    {
      config: {
        account: 'open',
        stepUp: true,
        refuses: ['ADDRESS_INVALID', 'NAME_TAKEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'requestEmailChange',
        tags,
        summary: 'Ask for another address',
        description:
          'Mails a link to the new address and a notice to the present one, which stays until the link is used.',
        body: EmailChange,
        response: { 202: Underway },
      },
    },
    async (request, reply) => {
      const { user } = sessionOf(request)
      await links.requestEmailChange(actorOf(request), user, request.body.email, whenceOf(request))
      return reply.code(202).send(undefined)
    },
  )

  app.post(
    '/v1/account/email/finish',
    {
      config: { public: true, refuses: ['LINK_INVALID', 'NAME_TAKEN'] },
      schema: {
        operationId: 'finishEmailChange',
        tags,
        summary: 'Confirm another address',
        description: 'Uses the link that was mailed to the new address.',
        body: LinkToken,
        response: { 200: AccountEmail },
      },
    },
    async (request) => links.finishEmailChange(request.body.token, whenceOf(request)),
  )

  app.post(
    '/v1/account/release',
    {
      config: { public: true, refuses: ['LINK_INVALID'] },
      schema: {
        operationId: 'releaseAccount',
        tags,
        summary: 'Lift the lock of an account',
        description: 'Uses the link that was mailed when the account was locked.',
        body: LinkToken,
        response: { 200: AccountEmail },
      },
    },
    async (request) => links.finishRelease(request.body.token, whenceOf(request)),
  )
}
