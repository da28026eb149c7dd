/** The section `mail`: what Posthorn itself has to say to the people who use it. */
import Type from 'typebox'
import { mailAddress, section } from './leaf.ts'

export const mail = section(
  'Mail of its own: invitations, links for passwords, security notices.',
  {
    from: Type.Optional(
      mailAddress(
        'Sender of it, in a verified domain of the first tenant. Not set, links are shown to whoever asks for them, to be handed on.',
      ),
    ),
  },
)
