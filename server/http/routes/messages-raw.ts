/** Sending a message that is complete already: message/rfc822 with its envelope in the query, or the same in JSON. */
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { AppError } from '../../core/errors.ts'
import { principalOf } from '../auth.ts'
import { decodeBase64 } from '../base64.ts'
import { refuseEncoded } from '../body.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { encodeId } from '../../core/ids.ts'
import { idempotencyKeyOf, markReplayed } from '../idempotency.ts'
import { RawInput } from '../schemas/message-input.ts'
import { Accepted } from '../schemas/output.ts'
import { RawQuery } from '../schemas/query.ts'
import { optionsOf } from '../submission.ts'
import { acceptedView } from '../views.ts'

const Rfc822 = Type.Unsafe<Buffer>({
  description: 'The complete message (RFC 5322). Lone LF line ends are repaired.',
  examples: ['From: orders@shop.example\r\nTo: ada@example.com\r\nSubject: Hi\r\n\r\nHello.\r\n'],
})

interface RawMessage {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: Buffer
  readonly options: ReturnType<typeof optionsOf>
}

export function rawRoutes(app: HttpApp, { submit, limits }: HttpDeps): void {
  app.addContentTypeParser<Buffer>(
    'message/rfc822',
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        refuseEncoded(request)
        done(null, body)
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)))
      }
    },
  )

  app.post(
    '/v1/messages/raw',
    {
      config: {
        permission: 'messages:send',
        refuses: [
          'IDEMPOTENCY_KEY_REUSED',
          'SENDER_INVALID',
          'RECIPIENTS_MISSING',
          'RECIPIENTS_TOO_MANY',
          'QUOTA_EXCEEDED',
          'ADDRESS_INVALID',
          'MESSAGE_INVALID',
        ],
      },
      schema: {
        operationId: 'sendRaw',
        tags: ['Messages'],
        summary: 'Send a complete message',
        description:
          'Takes RFC 5322 bytes as they are, with the envelope apart from the header. With `message/rfc822` the envelope is in the query; with JSON it is in the body and the bytes are base64. `X-Posthorn-*` header fields in the message are obeyed as over SMTP.',
        querystring: RawQuery,
        body: {
          content: {
            'application/json': { schema: RawInput },
            'message/rfc822': { schema: Rfc822 },
          },
        },
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const message = Buffer.isBuffer(request.body)
        ? fromBytes(request.body, request.query)
        : fromJson(request, request.query)
      if (message.to.length > limits.recipientsPerMessage)
        throw new AppError('RECIPIENTS_TOO_MANY', {
          public: `The message has ${message.to.length} recipients; at most ${limits.recipientsPerMessage} are allowed.`,
        })
      const result = await submit.raw({
        principal: principalOf(request),
        via: 'api',
        mailFrom: message.from,
        recipients: message.to,
        raw: message.raw,
        smtpUtf8: true,
        repairNewlines: true,
        options: { ...message.options, idempotencyKey: idempotencyKeyOf(request) },
      })
      markReplayed(reply, result.replayed)
      const accepted = result.messages[0]!
      reply.header('location', `/v1/messages/${encodeId('message', accepted.id)}`)
      return reply.code(202).send(acceptedView(accepted))
    },
  )
}

interface Envelope {
  readonly from?: string | undefined
  readonly to?: readonly string[] | undefined
}

function fromBytes(raw: Buffer, { from, to }: Envelope): RawMessage {
  if (from === undefined)
    throw new AppError('SENDER_INVALID', {
      public: 'The query must name the envelope sender: ?from=… (empty for the null sender).',
      fields: [{ path: 'from', message: 'is required' }],
    })
  return { from, to: to ?? [], raw, options: optionsOf({}, '') }
}

function fromJson({ body }: FastifyRequest, query: Envelope): RawMessage {
  const input = body as RawInput // checked by the schema of application/json
  if (query.from !== undefined || query.to !== undefined)
    throw new AppError('BODY_INVALID', {
      public: 'With JSON the envelope belongs in the body, not in the query.',
    })
  const raw = decodeBase64(input.raw)
  if (raw === undefined)
    throw new AppError('MESSAGE_INVALID', {
      public: 'The message is not valid base64.',
      fields: [{ path: 'raw', message: 'is not valid base64' }],
    })
  return { from: input.from, to: input.to, raw, options: optionsOf(input, '') }
}
