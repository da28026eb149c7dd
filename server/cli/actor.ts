/** Whose hand it is at the command line, for the audit log: the account of the machine. */
import { userInfo } from 'node:os'
import type { Actor } from '../core/audit.ts'

export const cliActor = (): Actor => ({
  kind: 'operator',
  id: undefined,
  name: userInfo().username,
  means: 'cli',
  ip: undefined,
  country: undefined,
  requestId: undefined,
})
