/** Links that are opened by somebody who is not signed in: what one is for, and setting up an account with it. */
import type { AccountLinks, LinkFacts as Facts } from '../../services/account-links.ts'
import { whenceOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import { AccountEmail, LinkFacts, LinkToken, SetupInput } from '../schemas/people.ts'

const tags = ['Account']

const view = ({ invitation, name, expiresAt, ...facts }: Facts) => ({
  ...facts,
  expiresAt: formatInstant(expiresAt),
  ...(name === undefined ? {} : { name }),
  ...invitation,
})

export function setupRoutes(app: HttpApp, { links }: { readonly links: AccountLinks }): void {
  app.post(
    '/v1/links/look',
    {
      config: { public: true, refuses: ['LINK_INVALID'] },
      schema: {
        operationId: 'lookAtLink',
        tags,
        summary: 'Look at a one-time link',
        description:
          'What the link is for, so that a page can show it. Looking does not use it. Guesses are counted.',
        body: LinkToken,
        response: { 200: LinkFacts },
      },
    },
    async (request) => view(await links.look(request.body.token, whenceOf(request))),
  )

  app.post(
    '/v1/setup',
    {
      config: {
        public: true,
        refuses: ['LINK_INVALID', 'PASSWORD_WEAK', 'ADDRESS_INVALID', 'NAME_TAKEN'],
      },
      schema: {
        operationId: 'setUpAccount',
        tags,
        summary: 'Set up an account',
        description:
          'Uses a setup link: sets name and password. Signing in comes after. The first owner of an installation may give an address in place of the made-up one.',
        body: SetupInput,
        response: { 200: AccountEmail },
      },
    },
    async (request) => links.setUp(request.body, whenceOf(request)),
  )
}
