/**
 * All commands but `serve`. To add one: write it in a file of this folder after the pattern of `config.ts`, add its row
 * here, and, if it needs a use case, a line in `services.ts`. The frame gives it `--help`, `--json`, settings as flags,
 * errors and exit codes.
 */
import { auditExport, auditList, auditVerify } from './audit.ts'
import {
  backupCreate,
  backupDelete,
  backupList,
  backupRecoveryKey,
  backupVerify,
} from './backup.ts'
import { check } from './check.ts'
import type { Command } from './command.ts'
import { configDescribe } from './config.ts'
import { credentialCreate, credentialList, credentialRevoke } from './credential.ts'
import { domainAdd, domainList, domainRemove, domainUnverify, domainVerify } from './domain.ts'
import { explainDelivery, explainMessage } from './explain.ts'
import { keyCreate, keyList, keyRevoke } from './key.ts'
import { limitList, limitRemove, limitSet } from './limit.ts'
import { migrate } from './migrate.ts'
import { poolAdd, poolList, poolSet } from './pool.ts'
import { queueList, queueRebuild, queueResume, queueRetry, queueSuspend } from './queue.ts'
import { restore } from './restore.ts'
import { routeAdd, routeList, routeRemove } from './route.ts'
import { secretsForget, secretsRotate, secretsStatus } from './secrets.ts'
import { sourceAdd, sourceDisable, sourceEnable, sourceList } from './source.ts'
import { tenantAdd, tenantList } from './tenant.ts'
import { userAdd, userList, userSetupLink } from './user.ts'

/** In the order of the help, within each group. */
export const COMMANDS: readonly Command[] = [
  configDescribe,
  tenantAdd,
  tenantList,
  userAdd,
  userList,
  userSetupLink,
  domainAdd,
  domainList,
  domainVerify,
  domainUnverify,
  domainRemove,
  keyCreate,
  keyList,
  keyRevoke,
  credentialCreate,
  credentialList,
  credentialRevoke,
  explainDelivery,
  explainMessage,
  queueList,
  queueSuspend,
  queueResume,
  queueRetry,
  queueRebuild,
  sourceAdd,
  sourceList,
  sourceEnable,
  sourceDisable,
  poolAdd,
  poolList,
  poolSet,
  routeAdd,
  routeList,
  routeRemove,
  limitSet,
  limitList,
  limitRemove,
  auditList,
  auditVerify,
  auditExport,
  check,
  migrate,
  backupCreate,
  backupList,
  backupVerify,
  backupDelete,
  backupRecoveryKey,
  restore,
  secretsStatus,
  secretsRotate,
  secretsForget,
]
