/** Backups and the key that secrets at rest are sealed under: for platform admins. */
import type { Log } from '../../core/ports.ts'
import type { BackupInfo, Backups } from '../../services/backup/contract.ts'
import type { Progress } from '../../services/backup/make.ts'
import type { Secrets } from '../../services/secrets.ts'
import { actorOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import * as schemas from '../schemas/operations.ts'
import { Done } from '../schemas/parts.ts'

const tags = ['Installation']

const view = (backup: BackupInfo) => ({
  name: backup.name,
  target: backup.target,
  ...(backup.trigger === undefined ? {} : { trigger: backup.trigger }),
  state: backup.state,
  startedAt: formatInstant(backup.startedAt),
  ...(backup.finishedAt === undefined ? {} : { finishedAt: formatInstant(backup.finishedAt) }),
  ...(backup.bytes === undefined ? {} : { bytes: backup.bytes }),
  ...(backup.messages === undefined ? {} : { messages: backup.messages }),
  ...(backup.deliveries === undefined ? {} : { deliveries: backup.deliveries }),
  ...(backup.verifiedAt === undefined ? {} : { verifiedAt: formatInstant(backup.verifiedAt) }),
  ...(backup.error === undefined ? {} : { error: backup.error }),
  isThere: backup.isThere,
})

const progressView = (name: string, { phase, done, total }: Progress) => ({
  name,
  phase,
  done,
  ...(total === undefined ? {} : { total }),
})

export function backupRoutes(
  app: HttpApp,
  { backups, log }: { readonly backups: Backups; readonly log: Log },
): void {
  app.get(
    '/v1/backups',
    {
      config: { permission: 'backups:read', refuses: ['BACKUP_TARGET_FAILED'] },
      schema: {
        operationId: 'listBackups',
        tags,
        summary: 'List backups',
        description: 'Newest first, with the progress of the one that is being made.',
        response: { 200: schemas.BackupList },
      },
    },
    async () => {
      const at = backups.progress()
      return {
        items: (await backups.list()).map(view),
        ...(at === undefined ? {} : { progress: progressView(at.name, at.progress) }),
      }
    },
  )

  app.post(
    '/v1/backups',
    {
      config: { permission: 'backups:manage', refuses: ['STATE_CONFLICT', 'BACKUP_TARGET_FAILED'] },
      schema: {
        operationId: 'makeBackup',
        tags,
        summary: 'Make a backup',
        description:
          'Begins one and answers at once. It is tried by a real restore before it counts as good.',
        response: { 202: schemas.BackupStarted },
      },
    },
    async (request, reply) => {
      const { name, finished } = await backups.begin(actorOf(request))
      // Its row in the list tells how it ended; nobody waits for it here.
      finished.catch((error: unknown) => log.error({ err: error, name }, 'a backup failed'))
      return reply.code(202).send({ name })
    },
  )

  app.post(
    '/v1/backups/:name/verify',
    {
      config: {
        permission: 'backups:manage',
        timeoutMs: 3_600_000,
        refuses: ['BACKUP_KEY_WRONG', 'BACKUP_TARGET_FAILED'],
      },
      schema: {
        operationId: 'verifyBackup',
        tags,
        summary: 'Verify a backup',
        description: 'Takes it apart as a restore would. Minutes for a large one.',
        params: schemas.BackupParams,
        response: { 200: schemas.BackupTrial },
      },
    },
    async (request) => {
      const trial = await backups.verify(actorOf(request), request.params.name)
      return {
        ok: trial.error === undefined,
        ...(trial.error === undefined ? {} : { error: trial.error }),
        ...(trial.messages === undefined ? {} : { messages: trial.messages }),
        ...(trial.deliveries === undefined ? {} : { deliveries: trial.deliveries }),
      }
    },
  )

  app.delete(
    '/v1/backups/:name',
    {
      config: {
        permission: 'backups:manage',
        stepUp: true,
        refuses: ['STATE_CONFLICT', 'BACKUP_TARGET_FAILED'],
      },
      schema: {
        operationId: 'removeBackup',
        tags,
        summary: 'Delete a backup',
        description: 'There is no way back.',
        params: schemas.BackupParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await backups.remove(actorOf(request), request.params.name)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/backups/recovery-key',
    {
      config: { permission: 'backups:manage', stepUp: true, personOnly: true },
      schema: {
        operationId: 'showRecoveryKey',
        tags,
        summary: 'Show the recovery key',
        description:
          'Without it a backup opens on this machine only. That it was shown is audited.',
        response: { 200: schemas.RecoveryKey },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store')
      return { recoveryKey: await backups.recoveryKey(actorOf(request)) }
    },
  )
}

export function secretRoutes(app: HttpApp, { secrets }: { readonly secrets: Secrets }): void {
  app.get(
    '/v1/secrets',
    {
      config: { permission: 'installation:read' },
      schema: {
        operationId: 'secretsStatus',
        tags,
        summary: 'How secrets are sealed',
        description: 'The versions of the master key, and how many secrets need each.',
        response: { 200: schemas.SecretsStatus },
      },
    },
    async () => {
      const { current, outdated, versions } = await secrets.status()
      return { current, outdated, versions: [...versions] }
    },
  )

  app.post(
    '/v1/secrets/rotate',
    {
      config: {
        permission: 'installation:manage',
        stepUp: true,
        personOnly: true,
        timeoutMs: 600_000,
        refuses: ['STATE_CONFLICT'],
      },
      schema: {
        operationId: 'rotateSecrets',
        tags,
        summary: 'Rotate the master key',
        description: 'Adds a version and seals every secret under it. Make a backup afterwards.',
        response: { 200: schemas.Rotation },
      },
    },
    async (request) => ({ ...(await secrets.rotate(actorOf(request))) }),
  )
}
