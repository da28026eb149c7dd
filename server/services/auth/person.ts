/** A person as the factors of a sign-in know them: whose factor it is, and how a record names them. */
import type { AuditDraft } from '../../core/audit.ts'
import { encodeId } from '../../core/ids.ts'
import type { UserId } from '../../core/ids.ts'
import type { SecurityKind } from '../../core/security.ts'

export interface Person {
  readonly id: UserId
  readonly email: string
}

/** The target of a record about a person's factors. */
export const personTarget = ({ id, email }: Person): AuditDraft['target'] => ({
  kind: 'user',
  id: encodeId('user', id),
  name: email,
})

/** Something that a factor noticed and the security log should hold. */
export interface Noticed {
  readonly kind: Extract<
    SecurityKind,
    | 'code-replayed'
    | 'recovery-code-used'
    | 'passkey-cloned'
    | 'second-factor-added'
    | 'second-factor-removed'
  >
  readonly user: UserId
  readonly ip: string | undefined
  readonly data: Readonly<Record<string, string | number>>
}
/** Must not throw and is not waited for: what was noticed does not change what is answered. */
export type Notice = (noticed: Noticed) => void
