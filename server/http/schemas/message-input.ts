/** What a client may say about a message it sends. Every string is bounded, `text` and `html` by the size of the body. */
import Type from 'typebox'
import type { Static } from 'typebox'

const strict = { additionalProperties: false } as const

/** Over a batch, so that one request cannot keep the database busy for long. */
export const RECIPIENTS_PER_REQUEST = 50_000

const Address = Type.Union(
  [
    Type.String({
      minLength: 1,
      maxLength: 1000,
      description: 'An address, with or without a display name.',
      examples: ['Ada Lovelace <ada@example.com>'],
    }),
    Type.Object(
      {
        email: Type.String({
          minLength: 1,
          maxLength: 320,
          description: 'The address alone.',
          examples: ['ada@example.com'],
        }),
        name: Type.Optional(
          Type.String({
            maxLength: 300,
            pattern: '^[^\\x00-\\x1f\\x7f]*$',
            description: 'The display name.',
            examples: ['Ada Lovelace'],
          }),
        ),
      },
      { ...strict, title: 'Mailbox', description: 'An address and its display name.' },
    ),
  ],
  {
    title: 'Address',
    description: 'An e-mail address: a string, or an object of `email` and `name`.',
    examples: ['Ada Lovelace <ada@example.com>'],
  },
)
export type AddressInput = Static<typeof Address>

const addresses = (description: string, example: string) =>
  Type.Optional(
    Type.Union([Address, Type.Array(Address, { maxItems: RECIPIENTS_PER_REQUEST })], {
      description,
      examples: [[example]],
    }),
  )
export type AddressesInput = AddressInput | readonly AddressInput[]

const Attachment = Type.Object(
  {
    filename: Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'The name the recipient sees.',
      examples: ['invoice.pdf'],
    }),
    contentType: Type.String({
      minLength: 3,
      maxLength: 255,
      description: 'The media type.',
      examples: ['application/pdf'],
    }),
    content: Type.String({
      description: 'The bytes in base64 (RFC 4648 §4); line breaks are allowed.',
      examples: ['JVBERi0xLjQK'],
    }),
    contentId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 250,
        description: 'What `cid:` in the HTML names, without angle brackets.',
        examples: ['logo'],
      }),
    ),
    disposition: Type.Optional(
      Type.Enum(['attachment', 'inline'], {
        type: 'string',
        description:
          '`inline` with a `contentId` is an image of the HTML; it is the default when there is a `contentId`.',
        examples: ['attachment'],
      }),
    ),
  },
  { ...strict, title: 'Attachment', description: 'A file that goes with the message.' },
)
export type AttachmentInput = Static<typeof Attachment>

/** Named options of a message, however its content is given. */
export const sendOptions = {
  tags: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
      maxItems: 10,
      description: 'Words to find and count messages by.',
      examples: [['receipt']],
    }),
  ),
  metadata: Type.Optional(
    Type.Record(
      Type.String({ pattern: '^[A-Za-z0-9][\\w.:-]{0,63}$' }),
      Type.String({ maxLength: 1024 }),
      {
        ...strict,
        maxProperties: 50,
        description: 'Your own facts; they come back with the message and are never sent.',
        examples: [{ order: '4711' }],
      },
    ),
  ),
  stream: Type.Optional(
    Type.Enum(['transactional', 'bulk'], {
      type: 'string',
      description: 'What kind of mail this is: `transactional` (default) goes before `bulk`.',
      examples: ['transactional'],
    }),
  ),
  sendAt: Type.Optional(
    Type.String({
      maxLength: 40,
      format: 'date-time',
      description: 'Not before this time (RFC 3339).',
      examples: ['2030-01-01T09:00:00Z'],
    }),
  ),
}
export interface SendOptionsInput {
  readonly tags?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly stream?: 'transactional' | 'bulk' | undefined
  readonly sendAt?: string | undefined
}

const example = {
  from: 'Shop <orders@shop.example>',
  to: ['Ada Lovelace <ada@example.com>'],
  subject: 'Your order 4711',
  text: 'Thank you for your order.',
  html: '<p>Thank you for your order.</p>',
  tags: ['receipt'],
  metadata: { order: '4711' },
}

export const MessageInput = Type.Object(
  {
    from: Address,
    to: addresses('Recipients the mail shows in To.', 'Ada Lovelace <ada@example.com>'),
    cc: addresses('Recipients the mail shows in Cc.', 'team@example.com'),
    bcc: addresses('Recipients the mail does not show.', 'archive@shop.example'),
    replyTo: addresses('Where answers should go.', 'help@shop.example'),
    subject: Type.String({
      maxLength: 2000,
      description: 'The subject, in plain Unicode.',
      examples: ['Your order 4711'],
    }),
    text: Type.Optional(
      Type.String({
        description: 'The plain text. Without it one is made from the HTML.',
        examples: ['Thank you for your order.'],
      }),
    ),
    html: Type.Optional(
      Type.String({
        description: 'The HTML. One of `text` and `html` is needed.',
        examples: ['<p>Thank you for your order.</p>'],
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String({ pattern: '^[!-9;-~]{1,128}$' }), Type.String({ maxLength: 8000 }), {
        ...strict,
        maxProperties: 100,
        description:
          'Further header fields; those that the other fields or the transport write are refused.',
        examples: [{ 'X-Order': '4711' }],
      }),
    ),
    attachments: Type.Optional(
      Type.Array(Attachment, { maxItems: 100, description: 'Files and inline images.' }),
    ),
    ...sendOptions,
  },
  {
    ...strict,
    title: 'MessageInput',
    description: 'A message to send, in parts.',
    examples: [example],
  },
)
export type MessageInput = Static<typeof MessageInput>

export const batchInput = (messages: number) =>
  Type.Array(MessageInput, {
    minItems: 1,
    maxItems: messages,
    description: 'The messages. All are accepted, or none.',
    examples: [[example, { ...example, to: ['grace@example.com'] }]],
  })

const RAW_EXAMPLE =
  'RnJvbTogb3JkZXJzQHNob3AuZXhhbXBsZQ0KVG86IGFkYUBleGFtcGxlLmNvbQ0KU3ViamVjdDogSGkNCg0KSGVsbG8uDQo='

export const RawInput = Type.Object(
  {
    from: Type.String({
      maxLength: 320,
      description: 'The envelope sender; empty for the null sender.',
      examples: ['orders@shop.example'],
    }),
    to: Type.Array(Type.String({ minLength: 1, maxLength: 320 }), {
      minItems: 1,
      maxItems: RECIPIENTS_PER_REQUEST,
      description: 'The envelope recipients.',
      examples: [['ada@example.com']],
    }),
    raw: Type.String({
      minLength: 1,
      description: 'The complete RFC 5322 message in base64.',
      examples: [RAW_EXAMPLE],
    }),
    ...sendOptions,
  },
  {
    ...strict,
    title: 'RawInput',
    description: 'A complete message with its envelope.',
    examples: [
      { from: 'orders@shop.example', to: ['ada@example.com'], raw: RAW_EXAMPLE, tags: ['receipt'] },
    ],
  },
)
export type RawInput = Static<typeof RawInput>
