/** The tables of the control plane as Kysely sees them: people, sessions, quotas, audit, backups. */
interface Row {
  id: number
}
export interface UsersTable extends Row {
  /** Lower case. */
  email: string
  name: string
  /** Argon2id in PHC form; null until a password is set. */
  password_hash: string | null
  /** PlatformRole, null for people who only belong to tenants. */
  platform_role: string | null
  created_at: number
  /** When the address was proved by a link sent to it. */
  confirmed_at: number | null
  deactivated_at: number | null
  locked_at: number | null
  locked_because: string | null
}
export interface MembershipsTable {
  tenant_id: number
  user_id: number
  /** A built-in role or the name of one of the tenant's own. */
  role: string
  created_at: number
}
export interface UserTokensTable extends Row {
  user_id: number
  purpose: 'setup' | 'reset' | 'email-change' | 'release'
  hash: string
  /** The new address, for email-change. */
  email: string | null
  created_at: number
  expires_at: number
  used_at: number | null
}
export interface RolesTable extends Row {
  tenant_id: number
  name: string
  title: string
  /** JSON array of TenantPermission. */
  permissions: string
  /** 1: who has this role must have a second factor. */
  second_factor: number
  created_at: number
  changed_at: number
}
export interface InvitationsTable extends Row {
  tenant_id: number
  email: string
  role: string
  hash: string
  /** Address of who invited. */
  invited_by: string
  created_at: number
  expires_at: number
  accepted_at: number | null
  revoked_at: number | null
  /** When the link was mailed to the address; null: somebody handed it on. */
  mailed_at: number | null
}
export interface SessionsTable extends Row {
  user_id: number
  token_hash: string
  stage: 'second-factor' | 'enrol' | 'open'
  /** What it was opened with: password, passkey; then `+totp`, `+passkey`, `+recovery`. */
  method: string
  created_at: number
  last_used_at: number
  expires_at: number
  /** The last proof of who it is, for dangerous acts. */
  confirmed_at: number | null
  user_agent: string
  /** Of the last use. */
  ip: string
  /** JSON of Place, of the last use. */
  place: string
  ended_at: number | null
  ended_because: string | null
}
export interface TotpTable {
  user_id: number
  /** Base32, sealed under the master key. Null until the first one is confirmed. */
  secret: string | null
  /** Time step of the last accepted code: none is taken twice (RFC 6238 §5.2). */
  last_step: number
  created_at: number
  /** When a first code has shown that the app has the secret. */
  confirmed_at: number | null
  /** The next secret, sealed, until a code of it comes. It lives minutes: a rotation of the key leaves it out. */
  pending: string | null
  pending_at: number | null
}
export interface RecoveryCodesTable {
  user_id: number
  hash: string
  created_at: number
  used_at: number | null
}
export interface PasskeysTable extends Row {
  user_id: number
  /** base64url. */
  credential_id: string
  /** COSE key, base64url. */
  public_key: string
  counter: number
  /** JSON array. */
  transports: string
  name: string
  /** 1: the passkey is kept by a cloud account and may be on several devices. */
  synced: number
  created_at: number
  last_used_at: number | null
}
export interface WebauthnChallengesTable {
  challenge: string
  purpose: 'register' | 'sign-in' | 'second-factor'
  user_id: number | null
  session_id: number | null
  expires_at: number
}
export interface SignInsTable extends Row {
  /** Null for an address that nobody has. */
  user_id: number | null
  /** The person's key; for an address that nobody has a small negative number made of it. */
  account: number
  at: number
  ip: string
  /** The IPv4 /24 or IPv6 /48 of the address. */
  network: string
  /** JSON of Place. */
  place: string
  device: string
  outcome: 'ok' | 'wrong' | 'challenged' | 'locked'
}
export interface SecurityEventsTable extends Row {
  tenant_id: number | null
  user_id: number | null
  kind: string
  score: number
  /** notify, challenge or lock. */
  decision: string
  ip: string | null
  country: string | null
  /** JSON object: the facts it was judged by. */
  data: string
  at: number
  handled_at: number | null
  /** Name of who did. */
  handled_by: string | null
  handled_note: string | null
}
export interface AccessUsesTable {
  tenant_id: number
  kind: 'key' | 'credential'
  id: number
  at: number
  ip: string
  country: string | null
}
/** Every country a key or login was ever used from. */
export interface AccessCountriesTable {
  tenant_id: number
  kind: 'key' | 'credential'
  id: number
  country: string
  first_at: number
}
export interface QuotasTable {
  tenant_id: number
  scope: 'tenant' | 'credential' | 'domain'
  scope_id: number
  hour: number | null
  day: number | null
  month: number | null
  over: 'delay' | 'refuse'
  changed_at: number
}
export interface QuotaUsesTable {
  tenant_id: number
  scope: 'tenant' | 'credential' | 'domain'
  scope_id: number
  unit: 'hour' | 'day' | 'month'
  /** Begin of the window, epoch ms, UTC. */
  start: number
  used: number
}
export interface AuditTable extends Row {
  /** `2026-11-22`, UTC. */
  day: string
  at: number
  tenant_id: number | null
  actor_kind: string
  actor_id: number | null
  actor_name: string
  means: string
  ip: string | null
  country: string | null
  request_id: string | null
  action: string
  target_kind: string
  target_id: string
  target_name: string
  /** JSON. */
  before: string | null
  after: string | null
  /** Hash of the row before; in the first row of a day the head of the last day. */
  previous: string
  hash: string
}
export interface BackupsTable extends Row {
  name: string
  /** Where it went: a folder or `s3://bucket/prefix`. */
  target: string
  trigger: 'schedule' | 'demand'
  state: 'running' | 'done' | 'failed' | 'deleted'
  started_at: number
  /** The last sign of life of the process that makes it. */
  heartbeat_at: number
  finished_at: number | null
  bytes: number | null
  messages: number | null
  deliveries: number | null
  verified_at: number | null
  error: string | null
}
export interface MtaStsPoliciesTable {
  /** Of recipients, lower case. */
  domain: string
  policy_id: string
  mode: 'enforce' | 'testing' | 'none'
  /** JSON array of patterns. */
  mx: string
  fetched_at: number
  expires_at: number
}

export interface ControlTables {
  users: UsersTable
  memberships: MembershipsTable
  user_tokens: UserTokensTable
  roles: RolesTable
  invitations: InvitationsTable
  sessions: SessionsTable
  totp: TotpTable
  recovery_codes: RecoveryCodesTable
  passkeys: PasskeysTable
  webauthn_challenges: WebauthnChallengesTable
  sign_ins: SignInsTable
  security_events: SecurityEventsTable
  access_uses: AccessUsesTable
  access_countries: AccessCountriesTable
  quotas: QuotasTable
  quota_uses: QuotaUsesTable
  audit: AuditTable
  mta_sts_policies: MtaStsPoliciesTable
  backups: BackupsTable
}
