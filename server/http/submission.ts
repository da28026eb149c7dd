/** From a checked request body to what `submit` takes: addresses to text, base64 to bytes, times to epoch ms. */
import { parseAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import type { Attachment, BuiltSubmission } from '../services/submit-contract.ts'
import { decodeBase64 } from './base64.ts'
import { parseInstant } from './instant.ts'
import type {
  AddressInput,
  AddressesInput,
  AttachmentInput,
  MessageInput,
  SendOptionsInput,
} from './schemas/message-input.ts'

/** `path` goes in front of field paths: `3/` in a batch. Throws AppError with field paths. */
export function submissionOf(input: MessageInput, path: string): BuiltSubmission {
  return {
    path,
    from: addressText(input.from, `${path}from`),
    to: addressTexts(input.to, `${path}to`),
    cc: addressTexts(input.cc, `${path}cc`),
    bcc: addressTexts(input.bcc, `${path}bcc`),
    replyTo: addressTexts(input.replyTo, `${path}replyTo`),
    subject: input.subject,
    text: input.text,
    html: input.html,
    headers: input.headers ?? {},
    attachments: (input.attachments ?? []).map((attachment, i) =>
      attachmentOf(attachment, `${path}attachments/${i}`),
    ),
    options: optionsOf(input, path),
  }
}

/** Recipients as written, before lists in one string are taken apart. */
export const recipientCount = ({ to, cc, bcc }: BuiltSubmission): number =>
  to.length + cc.length + bcc.length

export function optionsOf(input: SendOptionsInput, path: string): BuiltSubmission['options'] {
  const { sendAt, tags, metadata, stream } = input
  const at = sendAt === undefined ? undefined : parseInstant(sendAt)
  if (sendAt !== undefined && at === undefined)
    throw new AppError('SEND_AT_INVALID', {
      fields: [{ path: `${path}sendAt`, message: 'is not a date that exists' }],
    })
  return { stream, tags: tags === undefined ? undefined : [...new Set(tags)], metadata, sendAt: at }
}

function addressTexts(input: AddressesInput | undefined, path: string): readonly string[] {
  if (input === undefined) return []
  if (!isList(input)) return [addressText(input, path)]
  // Most lists are plain text already; a long one is then taken as it is.
  if (input.every((item) => typeof item === 'string')) return input
  return input.map((item, i) => addressText(item, `${path}/${i}`))
}

// Array.isArray does not narrow a readonly array away from a union.
const isList = (input: AddressesInput): input is readonly AddressInput[] => Array.isArray(input)

/**
 * `{email, name}` as RFC 5322 text with a quoted display name. The address is parsed before, so that it cannot end the
 * angle brackets and smuggle in another recipient.
 */
function addressText(input: AddressInput, path: string): string {
  if (typeof input === 'string') return input
  const parsed = parseAddress(input.email, { smtpUtf8: true, allowQuoted: true })
  if (!parsed.ok)
    throw new AppError('ADDRESS_INVALID', {
      public: `An address is not valid: ${parsed.reason}.`,
      fields: [{ path: `${path}/email`, message: parsed.reason }],
    })
  const name = input.name ?? ''
  if (name === '') return parsed.address
  return `"${name.replace(/["\\]/g, '\\$&')}" <${parsed.address}>`
}

function attachmentOf(input: AttachmentInput, path: string): Attachment {
  const content = decodeBase64(input.content)
  if (content === undefined)
    throw new AppError('ATTACHMENT_INVALID', {
      fields: [{ path: `${path}/content`, message: 'is not valid base64' }],
    })
  return {
    filename: input.filename,
    contentType: input.contentType,
    content,
    contentId: input.contentId,
    disposition: input.disposition ?? (input.contentId === undefined ? 'attachment' : 'inline'),
  }
}
