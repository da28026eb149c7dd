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
import {
  credentialCreate,
  credentialList,
  credentialRevoke,
  credentialRotate,
} from './credential.ts'
import { domainAdd, domainList, domainRemove, domainUnverify, domainVerify } from './domain.ts'
import { explainDelivery, explainMessage } from './explain.ts'
import { keyInspect } from './key-inspect.ts'
import { keyCreate, keyList, keyRevoke, keyRotate } from './key.ts'
import { limitList, limitRemove, limitSet } from './limit.ts'
import { migrate } from './migrate.ts'
import { poolAdd, poolList, poolSet } from './pool.ts'
import { queueList, queueRebuild, queueResume, queueRetry, queueSuspend } from './queue.ts'
import { quotaList, quotaRemove, quotaSet } from './quota.ts'
import { restore } from './restore.ts'
import { roleAdd, roleList, roleRemove } from './role.ts'
import { routeAdd, routeList, routeRemove } from './route.ts'
import { secretsForget, secretsRotate, secretsStatus } from './secrets.ts'
import { sourceAdd, sourceDisable, sourceEnable, sourceList } from './source.ts'
import {
  tenantAdd,
  tenantDisable,
  tenantEnable,
  tenantList,
  tenantRequireSecondFactor,
} from './tenant.ts'
import {
  userAdd,
  userDeactivate,
  userInvite,
  userList,
  userPlatformRole,
  userReactivate,
  userRelease,
  userResetLink,
  userResetSecondFactor,
  userSetupLink,
  userSignOut,
} from './user.ts'

/** In the order of the help, within each group. */
export const COMMANDS: readonly Command[] = [
  configDescribe,
  tenantAdd,
  tenantList,
  tenantDisable,
  tenantEnable,
  tenantRequireSecondFactor,
  userAdd,
  userList,
  userInvite,
  userSetupLink,
  userResetLink,
  roleAdd,
  roleList,
  roleRemove,
  domainAdd,
  domainList,
  domainVerify,
  domainUnverify,
  domainRemove,
  keyCreate,
  keyList,
  keyRotate,
  keyRevoke,
  keyInspect,
  credentialCreate,
  credentialList,
  credentialRotate,
  credentialRevoke,
  quotaSet,
  quotaList,
  quotaRemove,
  explainDelivery,
  explainMessage,
  userDeactivate,
  userReactivate,
  userRelease,
  userResetSecondFactor,
  userSignOut,
  userPlatformRole,
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
