/**
 * Mails of the installation itself, sent through the product: as the first tenant, under an address that the operator
 * named and whose domain is verified. Without one nothing is sent and the caller hands links over by hand. It must never
 * fail what it is told about: a password is changed whether or not the notice can go out.
 */
import { AppError } from '../core/errors.ts'
import { parseDomain } from '../core/address.ts'
import type { TenantId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import type { Principal } from './auth/principal.ts'
import type { Catalog } from './catalog.ts'
import { verifiedDomain } from './sender.ts'
import type { Submit } from './submit-contract.ts'
import { cleanLine } from './system-mail-texts.ts'

export interface SystemMessage {
  /** An address as the database keeps it. */
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html?: string | undefined
  /** Becomes a tag, such as `invitation`. */
  readonly kind: string
}

export interface SystemMail {
  /** Whether there is a sender now. */
  isAvailable(): boolean
  /** Never rejects. `mailed`: kept durably and on its way. */
  send(message: SystemMessage): Promise<'mailed' | 'unavailable'>
}

export interface SystemMailDeps {
  readonly submit: Pick<Submit, 'built'>
  readonly catalog: Pick<Catalog, 'current'>
  readonly log: Log
  readonly settings: { readonly from: string | undefined }
}

const TAG = 'posthorn-system'
const SENDER_NAME = 'Posthorn'

/** Where there is nothing to send with, such as at the command line. */
export const NO_SYSTEM_MAIL: SystemMail = {
  isAvailable: () => false,
  send: () => Promise.resolve('unavailable'),
}

export function makeSystemMail({ submit, catalog, log, settings }: SystemMailDeps): SystemMail {
  let told = false

  /** The first tenant, when it is live and the sender's domain is verified for it. */
  function sender(): { from: string; tenant: TenantId } | undefined {
    const { from } = settings
    if (from === undefined) return undefined
    const domain = parseDomain(from.slice(from.lastIndexOf('@') + 1))
    const [first] = catalog.current.tenants.values()
    if (!domain.ok || first === undefined || first.disabledAt !== undefined) return undefined
    if (verifiedDomain(catalog.current, first.id, domain.domain) === undefined) return undefined
    return { from, tenant: first.id }
  }

  function tellOnce(): void {
    if (told) return
    told = true
    log.warn(
      { from: settings.from },
      'mail of the installation itself cannot be sent: set mail.from to an address in a verified domain of the first tenant',
    )
  }

  return {
    isAvailable: () => sender() !== undefined,
    async send({ to, subject, text, html, kind }) {
      const as = sender()
      if (as === undefined) {
        tellOnce()
        return 'unavailable'
      }
      const principal: Principal = {
        tenant: as.tenant,
        credential: undefined,
        key: undefined,
        name: TAG,
        scopes: ['messages:send'],
        mode: 'live',
        limits: {},
      }
      try {
        await submit.built(
          principal,
          [
            {
              path: '',
              from: `${SENDER_NAME} <${as.from}>`,
              to: [to],
              cc: [],
              bcc: [],
              replyTo: [],
              subject: cleanLine(subject),
              text,
              html,
              // So that no vacation notice answers it.
              headers: { 'Auto-Submitted': 'auto-generated' },
              attachments: [],
              // A tenant that has used up its quota must not keep people from signing in.
              options: { stream: 'transactional', tags: [TAG, kind], uncounted: true },
            },
          ],
          undefined,
        )
        return 'mailed'
      } catch (error) {
        const code = error instanceof AppError ? error.code : undefined
        log.warn({ err: error, code, kind }, 'a mail of the installation itself was not accepted')
        return 'unavailable'
      }
    },
  }
}
