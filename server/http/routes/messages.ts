/** Sending: one message or a batch, given in parts. This is the hot path of the API. */
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { BuiltSubmission } from '../../services/submit-contract.ts'
import { principalOf } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { idempotencyOf, markReplayed } from '../idempotency.ts'
import { MessageInput, RECIPIENTS_PER_REQUEST, batchInput } from '../schemas/message-input.ts'
import { Accepted, AcceptedBatch } from '../schemas/output.ts'
import { recipientCount, submissionOf } from '../submission.ts'
import { acceptedView } from '../views.ts'

export function sendRoutes(app: HttpApp, { submit, limits }: HttpDeps): void {
  function refuseTooMany(recipients: number, most: number, path: string): void {
    if (recipients <= most) return
    throw new AppError('RECIPIENTS_TOO_MANY', {
      public: `There are ${recipients} recipients; at most ${most} are allowed.`,
      fields: [{ path, message: 'too many recipients' }],
    })
  }

  app.post(
    '/v1/messages',
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
        ],
      },
      schema: {
        operationId: 'sendMessage',
        tags: ['Messages'],
        summary: 'Send a message',
        description:
          'Accepts one message to any number of recipients. 202 means that it is on disk and will be delivered. From a domain that is not verified it goes to the sandbox.',
        body: MessageInput,
        response: { 202: Accepted },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      const message = submissionOf(request.body, '')
      refuseTooMany(recipientCount(message), limits.recipientsPerMessage, 'to')
      const result = await submit.built(principal, [message], idempotencyOf(request))
      markReplayed(reply, result.replayed)
      const accepted = result.messages[0]!
      reply.header('location', `/v1/messages/${encodeId('message', accepted.id)}`)
      return reply.code(202).send(acceptedView(accepted))
    },
  )

  app.post(
    '/v1/messages/batch',
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
        ],
      },
      schema: {
        operationId: 'sendBatch',
        tags: ['Messages'],
        summary: 'Send a batch of messages',
        description: `Accepts up to ${limits.messagesPerBatch} different messages in one commit: all of them, or none. Field paths of errors begin with the place of the message in the batch.`,
        body: batchInput(limits.messagesPerBatch),
        response: { 202: AcceptedBatch },
      },
    },
    async (request, reply) => {
      const principal = principalOf(request)
      let total = 0
      const batch = request.body.map((input, i): BuiltSubmission => {
        const message = submissionOf(input, `${i}/`)
        const recipients = recipientCount(message)
        refuseTooMany(recipients, limits.recipientsPerMessage, `${i}/to`)
        total += recipients
        return message
      })
      refuseTooMany(total, RECIPIENTS_PER_REQUEST, '')
      const result = await submit.built(principal, batch, idempotencyOf(request))
      markReplayed(reply, result.replayed)
      return reply.code(202).send({ messages: result.messages.map(acceptedView) })
    },
  )
}
