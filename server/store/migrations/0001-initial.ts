/** The first schema: who may send, ways out, the queue, and what became of each delivery. */
import type { MigrationSpec } from '../migrate.ts'

export const initial: MigrationSpec = {
  name: '0001-initial',
  up: [
    `create table settings (name text primary key, value text not null) strict, without rowid`,

    `create table tenants (
       id integer primary key, name text not null unique, created_at integer not null,
       disabled_at integer
     ) strict`,
    `create table users (
       id integer primary key, email text not null unique, name text not null, role text not null,
       setup_hash text, setup_expires_at integer, created_at integer not null
     ) strict`,
    `create table domains (
       id integer primary key, tenant_id integer not null references tenants, name text not null,
       verified_at integer, created_at integer not null, unique (name, tenant_id)
     ) strict`,
    `create table dkim_keys (
       id integer primary key, domain_id integer not null references domains on delete cascade,
       selector text not null, algorithm text not null, private_key text not null,
       public_record text not null, created_at integer not null, retired_at integer,
       unique (domain_id, selector)
     ) strict`,
    `create table credentials (
       id integer primary key, tenant_id integer not null references tenants,
       username text not null unique, secret_hash text not null, limits text not null,
       created_at integer not null, revoked_at integer
     ) strict`,
    `create table keys (
       id integer primary key, tenant_id integer not null references tenants, name text not null,
       secret_hash text not null unique, scopes text not null, mode text not null,
       created_at integer not null, revoked_at integer
     ) strict`,

    `create table sources (
       id integer primary key, name text not null unique, ip text, ehlo text not null,
       created_at integer not null, disabled_at integer
     ) strict`,
    `create table pools (
       id integer primary key, name text not null unique, created_at integer not null
     ) strict`,
    `create table pool_sources (
       pool_id integer not null references pools on delete cascade,
       source_id integer not null references sources, weight integer not null,
       primary key (pool_id, source_id)
     ) strict, without rowid`,
    `create table routes (
       id integer primary key, position integer not null, name text not null unique,
       match text not null, pool_id integer references pools, next_hop text,
       created_at integer not null, check ((pool_id is null) <> (next_hop is null))
     ) strict`,
    // An operator's own limits: scope 'destination' replaces what the table says of a provider, site or next hop
    // ('default' for all others); scope 'source' tightens.
    `create table limits (
       scope text not null, key text not null, limits text not null, note text,
       changed_at integer not null, primary key (scope, key)
     ) strict, without rowid`,
    `create table lanes (
       id integer primary key, source_id integer not null references sources,
       destination text not null, target text not null, owner text, owned_until integer not null,
       pace text not null, suspended_until integer not null, suspended_because text,
       created_at integer not null, unique (source_id, destination)
     ) strict`,

    // No foreign keys below: these are the hot tables, written by one writer that only ever refers to rows it
    // has just read or made, and emptied by retention in an order of its own.
    `create table messages (
       id integer primary key, tenant_id integer not null, stream text not null, via text not null,
       credential_id integer, key_id integer, mail_from text not null, header_from text not null,
       subject text not null, message_id_header text not null, tags text, metadata text,
       size integer not null, copies integer not null, send_at integer, sandbox integer not null,
       smtputf8 integer not null, spool text
     ) strict`,
    `create index messages_tenant on messages (tenant_id)`,
    `create index messages_spool on messages (spool) where spool is not null`,
    `create table bodies (message_id integer primary key, bytes blob not null) strict`,
    `create table message_tags (
       tenant_id integer not null, tag text not null, message_id integer not null,
       primary key (tenant_id, tag, message_id)
     ) strict, without rowid`,

    `create table deliveries (
       id integer primary key, message_id integer not null, tenant_id integer not null,
       priority integer not null, recipient text not null, domain text not null, state text not null,
       reason text not null, lane_id integer, next_at integer not null, expires_at integer not null,
       attempts integer not null, lease text, code integer, category text,
       changed_at integer not null
     ) strict`,
    `create index deliveries_message on deliveries (message_id)`,
    `create index deliveries_recipient on deliveries (recipient)`,
    // What a lane leases from: stream first, then tenant by tenant, then by due time.
    `create index deliveries_queue on deliveries (lane_id, priority, tenant_id, next_at)
       where state in ('queued', 'deferred')`,
    // By id, since the router pages through a domain; next_at comes along for "when is the next due".
    `create index deliveries_unrouted on deliveries (domain, id, next_at)
       where lane_id is null and state in ('queued', 'deferred')`,
    `create index deliveries_leased on deliveries (lane_id) where state = 'leased'`,
    // Listing by state: only what is rare. 'delivered' is dense, so lists of it scan the primary key.
    `create index deliveries_trouble on deliveries (tenant_id, state)
       where state in ('deferred', 'held', 'bounced', 'expired', 'suppressed', 'cancelled')`,

    `create table attempts (
       delivery_id integer not null, number integer not null, started_at integer not null,
       ended_at integer not null, kind text not null, stage text, code integer, enhanced text,
       reply text, fault text, detail text, host text, ip text, source_ip text, lane_id integer,
       tls text, category text, scope text, permanence text, action text, rule text,
       transcript text, primary key (delivery_id, number)
     ) strict, without rowid`,
    `create table events (
       id integer primary key, delivery_id integer not null, message_id integer not null,
       tenant_id integer not null, type text not null, attempt integer, data text
     ) strict`,
    `create index events_delivery on events (delivery_id)`,

    `create table suppressions (
       id integer primary key, tenant_id integer not null, address text not null,
       reason text not null, note text, created_at integer not null, unique (address, tenant_id)
     ) strict`,
    `create table idempotency (
       tenant_id integer not null, key text not null, fingerprint text not null,
       messages text not null, created_at integer not null, primary key (tenant_id, key)
     ) strict, without rowid`,
    `create index idempotency_age on idempotency (created_at)`,
  ],
}
