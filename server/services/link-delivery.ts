/** A link goes out by mail. Only when it cannot does whoever asked for it see it, to hand it on. */
import type { Link } from './links.ts'
import type { SystemMail } from './system-mail.ts'
import type { MailText } from './system-mail-texts.ts'

export type LinkDelivery =
  | { readonly by: 'mailed'; readonly expiresAt: number }
  | { readonly by: 'by-hand'; readonly expiresAt: number; readonly url: string }

export async function deliverLink(
  mail: SystemMail,
  to: string,
  { url, expiresAt }: Link,
  text: MailText,
): Promise<LinkDelivery> {
  const sent = await mail.send({ to, ...text })
  return sent === 'mailed' ? { by: 'mailed', expiresAt } : { by: 'by-hand', expiresAt, url }
}
