/**
 * A submission server on a free port with a submit service that keeps what it gets in a list. The service judges the
 * message as the real one does (inspectMessage), so that smuggling is tested as a client sees it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../server/core/errors.ts'
import { asId } from '../../server/core/ids.ts'
import { realClock, realRandom } from '../../server/ports.ts'
import { inspectMessage } from '../../server/protocol/inspect.ts'
import type { Principal } from '../../server/services/auth/principal.ts'
import type { RawSubmission } from '../../server/services/submit-contract.ts'
import { newSubmissionCounters, startSubmission } from '../../server/smtp/submission.ts'
import type { SubmissionDeps, SubmissionServer } from '../../server/smtp/submission.ts'
import { makeCertificate } from './certificate.ts'
import { recordingLog } from './log.ts'
import type { RecordingLog } from './log.ts'

export const USER = 'app@example.com'
export const PASSWORD = 'correct horse'

export const principal = (more: Partial<Principal> = {}): Principal => ({
  tenant: asId('tenant', 1),
  credential: asId('credential', 7),
  key: undefined,
  name: USER,
  scopes: ['messages:send'],
  mode: 'live',
  limits: {},
  ...more,
})

export interface TestSubmission {
  readonly server: SubmissionServer
  readonly ports: readonly number[]
  readonly accepted: RawSubmission[]
  readonly counters: SubmissionDeps['counters']
  readonly log: RecordingLog
  readonly tempDir: string
  /** What the next submissions do instead of being accepted. */
  answer: (submission: RawSubmission) => Promise<void>
  /** Throws to refuse MAIL. */
  budget: () => void
  isRevoked: boolean
  login: (username: string, password: string, ip: string) => Principal
  close(): Promise<void>
}

type Options = Partial<Omit<SubmissionDeps, 'limits'>> & {
  readonly limits?: Partial<SubmissionDeps['limits']>
}

export async function testSubmission(options: Options = {}): Promise<TestSubmission> {
  const tempDir = await mkdtemp(join(tmpdir(), 'posthorn-smtp-'))
  const certificate = await makeCertificate(['localhost'])
  const counters = newSubmissionCounters()
  const log = recordingLog()
  const accepted: RawSubmission[] = []
  const server = await startSubmission({
    listeners: [{ host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: [] }],
    certificate,
    hostname: 'mail.example.com',
    credentialLimits: {},
    submit: {
      async raw(submission) {
        await state.answer(submission)
        const inspection = inspectMessage(submission.raw, { smtpUtf8: submission.smtpUtf8 })
        if (!inspection.ok)
          throw new AppError(inspection.code, {
            public: inspection.text,
            enhanced: inspection.enhanced,
          })
        accepted.push(submission)
        const id = asId('message', accepted.length)
        return { replayed: false, messages: [{ id, deliveries: [] }] }
      },
      built: () => Promise.reject(new Error('not over SMTP')),
      checkBudget: () => {
        state.budget()
      },
    },
    auth: {
      key: () => {
        throw new AppError('AUTH_FAILED')
      },
      login: (username, password, ip) => state.login(username, password, ip),
      isRevoked: () => state.isRevoked,
      hasTenant: () => true,
      countryOf: () => undefined,
    },
    trustedPrincipal: () => principal({ credential: undefined, name: 'trusted' }),
    clock: realClock,
    random: realRandom,
    log,
    tempDir,
    counters,
    ...options,
    limits: {
      maxMessageSize: 1024 * 1024,
      maxRecipients: 5,
      maxConnections: 50,
      maxConnectionsPerIp: 40,
      idleTimeoutMs: 10_000,
      spoolOver: 64 * 1024,
      maxBadCommands: 5,
      ...options.limits,
    },
  })
  const state: TestSubmission = {
    server,
    ports: server.addresses().map(({ port }) => port),
    accepted,
    counters,
    log,
    tempDir,
    answer: () => Promise.resolve(),
    budget: () => undefined,
    isRevoked: false,
    login(username, password) {
      if (username !== USER || password !== PASSWORD) throw new AppError('AUTH_FAILED')
      return principal()
    },
    async close() {
      await server.close(0)
      await rm(tempDir, { recursive: true, force: true })
    },
  }
  return state
}
