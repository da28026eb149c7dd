/** The tables as Kysely sees them. Names and columns mirror migrations/; times are epoch ms, flags 0 or 1. */
import type { Kysely } from 'kysely'
import type { DeliveryState, MoveReason } from '../core/delivery.ts'
import type { EventType } from '../core/event.ts'
import type { Stream } from '../core/work.ts'
import type { ControlTables } from './schema-control.ts'

interface Row {
  id: number
}
export interface TenantsTable extends Row {
  name: string
  created_at: number
  disabled_at: number | null
  /** JSON of TenantSettings. */
  settings: string
}
export interface DomainsTable extends Row {
  tenant_id: number
  name: string
  verified_at: number | null
  created_at: number
}
export interface DkimKeysTable extends Row {
  domain_id: number
  selector: string
  algorithm: 'rsa' | 'ed25519'
  /** PKCS#8 PEM, sealed under the master key. */
  private_key: string
  /** The TXT value to publish. */
  public_record: string
  created_at: number
  retired_at: number | null
}
export interface CredentialsTable extends Row {
  tenant_id: number
  username: string
  secret_hash: string
  /** JSON of CredentialLimits. */
  limits: string
  created_at: number
  revoked_at: number | null
  expires_at: number | null
  /** JSON array of addresses and networks; empty: from anywhere. */
  networks: string
  mode: 'live' | 'test'
  created_by: string
  /** The password before the last rotation, good until `former_until`. */
  former_hash: string | null
  former_until: number | null
  /** When the present password was made; null: with the login. */
  rotated_at: number | null
}
export interface KeysTable extends Row {
  tenant_id: number
  name: string
  secret_hash: string
  /** JSON array of scopes. */
  scopes: string
  mode: 'live' | 'test'
  created_at: number
  revoked_at: number | null
  expires_at: number | null
  /** JSON array of addresses and networks; empty: from anywhere. */
  networks: string
  /** Requests per second; null: the configuration's. */
  rate: number | null
  created_by: string
  replaced_by: number | null
}
export interface SourcesTable extends Row {
  name: string
  ip: string | null
  ehlo: string
  created_at: number
  disabled_at: number | null
}
export interface PoolsTable extends Row {
  name: string
  created_at: number
}
export interface PoolSourcesTable {
  pool_id: number
  source_id: number
  weight: number
}
export interface RoutesTable extends Row {
  position: number
  name: string
  /** JSON of RouteMatch. */
  match: string
  pool_id: number | null
  /** JSON of NextHop; exactly one of pool_id and next_hop is set. */
  next_hop: string | null
  created_at: number
}
export interface LimitsTable {
  scope: 'destination' | 'source'
  /** `destinationKey` or `default`; the id of a source. */
  key: string
  /** JSON of Limits. */
  limits: string
  note: string | null
  changed_at: number
}
export interface LanesTable extends Row {
  source_id: number
  /** `destinationKey`, unique with the source. */
  destination: string
  /** JSON of Destination. */
  target: string
  owner: string | null
  owned_until: number
  pace: string
  suspended_until: number
  suspended_because: string | null
  created_at: number
}
export interface MessagesTable extends Row {
  tenant_id: number
  stream: Stream
  via: 'smtp' | 'api'
  credential_id: number | null
  key_id: number | null
  mail_from: string
  header_from: string
  subject: string
  message_id_header: string
  /** JSON array, null when empty. */
  tags: string | null
  /** JSON object, null when empty. */
  metadata: string | null
  size: number
  copies: number
  send_at: number | null
  sandbox: number
  smtputf8: number
  /** Name of the spool file of a large body. */
  spool: string | null
}
export interface BodiesTable {
  message_id: number
  bytes: Uint8Array
}
export interface MessageTagsTable {
  tenant_id: number
  tag: string
  message_id: number
}
export interface DeliveriesTable extends Row {
  message_id: number
  tenant_id: number
  priority: number
  recipient: string
  domain: string
  state: DeliveryState
  reason: MoveReason
  lane_id: number | null
  /** When it is due; meaningful while queued or deferred. */
  next_at: number
  expires_at: number
  attempts: number
  lease: string | null
  /** Of the last attempt. */
  code: number | null
  category: string | null
  changed_at: number
}
export interface AttemptsTable {
  delivery_id: number
  number: number
  started_at: number
  ended_at: number
  kind: 'accepted' | 'refused' | 'failed' | 'in-doubt'
  stage: string | null
  code: number | null
  enhanced: string | null
  reply: string | null
  fault: string | null
  detail: string | null
  host: string | null
  ip: string | null
  source_ip: string | null
  lane_id: number | null
  /** JSON of TlsFacts. */
  tls: string | null
  category: string | null
  scope: string | null
  permanence: string | null
  action: string | null
  rule: string | null
  transcript: string | null
}
export interface EventsTable extends Row {
  delivery_id: number
  message_id: number
  tenant_id: number
  type: EventType
  attempt: number | null
  /** JSON object of what the type adds. */
  data: string | null
}
export interface SuppressionsTable extends Row {
  tenant_id: number
  address: string
  reason: string
  note: string | null
  created_at: number
}
export interface IdempotencyTable {
  tenant_id: number
  key: string
  fingerprint: string
  /** JSON array of message ids. */
  messages: string
  created_at: number
}
export interface SettingsTable {
  name: string
  value: string
}

export interface Schema extends ControlTables {
  tenants: TenantsTable
  domains: DomainsTable
  dkim_keys: DkimKeysTable
  credentials: CredentialsTable
  keys: KeysTable
  sources: SourcesTable
  pools: PoolsTable
  pool_sources: PoolSourcesTable
  routes: RoutesTable
  limits: LimitsTable
  lanes: LanesTable
  messages: MessagesTable
  bodies: BodiesTable
  message_tags: MessageTagsTable
  deliveries: DeliveriesTable
  attempts: AttemptsTable
  events: EventsTable
  suppressions: SuppressionsTable
  idempotency: IdempotencyTable
  settings: SettingsTable
}

declare const everyTenant: unique symbol
/** A handle on the rows of all tenants: only `store.across` gives it out. See tenant-scope.ts. */
export type AllTenants = Kysely<Schema> & { readonly [everyTenant]: true }
