/** What the tests of composing share: a base request, and readers of what comes out. */
import { expect } from 'vitest'
import { parseAddress } from '../../server/core/address.ts'
import type { EmailAddress } from '../../server/core/address.ts'
import { AppError } from '../../server/core/errors.ts'
import { composeMessage } from '../../server/delivery/compose.ts'
import type { ComposeAttachment, ComposeInput } from '../../server/delivery/compose.ts'
import type { Mailbox } from '../../server/protocol/mailbox.ts'
import { formFaults, readMime } from './mime-tree.ts'
import type { MimePart } from './mime-tree.ts'

const NOW = Date.UTC(2025, 5, 15, 15, 6, 40)
export const FACTS = { now: NOW, messageId: '01jxt4kq8b@mta.test' }

function address(text: string): EmailAddress {
  const parsed = parseAddress(text, { smtpUtf8: true, allowQuoted: true })
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.address
}
export const box = (text: string, name = ''): Mailbox => ({ address: address(text), name })
export const BASE = {
  from: box('shop@a.test', 'Shop'),
  to: [box('bob@b.test')],
  cc: [],
  replyTo: [],
  subject: 'Your order',
} satisfies ComposeInput
export const file = (more: Partial<ComposeAttachment> = {}): ComposeAttachment => ({
  filename: 'bill.pdf',
  contentType: 'application/pdf',
  content: Buffer.from('%PDF'),
  disposition: 'attachment',
  ...more,
})
export const image = (contentId: string): ComposeAttachment =>
  file({ filename: `${contentId}.png`, contentType: 'image/png', disposition: 'inline', contentId })

/** The composed message, read back; its form is checked on the way. */
export async function compose(more: Partial<ComposeInput>): Promise<MimePart> {
  const { raw } = await composeMessage({ ...BASE, ...more }, FACTS)
  expect(formFaults(raw)).toEqual([])
  return readMime(raw)
}
export const one = (part: MimePart, name: string): string | undefined => part.headers.get(name)?.[0]
/** The error that composing ends in. */
export async function refusal(more: Partial<ComposeInput>): Promise<AppError> {
  const error: unknown = await composeMessage({ ...BASE, ...more }, FACTS).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AppError)
  return error as AppError
}
