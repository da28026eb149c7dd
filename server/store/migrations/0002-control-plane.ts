/** People, roles, sessions, second factors, keys that expire, quotas, audit and backups. */
import type { MigrationSpec } from '../migrate.ts'

export const controlPlane: MigrationSpec = {
  name: '0002-control-plane',
  up: [
    `alter table tenants add column settings text not null default '{}'`,

    // Users were rows with one role and no way to sign in.
    `create table people (
       id integer primary key, email text not null unique, name text not null, password_hash text,
       platform_role text, created_at integer not null, confirmed_at integer,
       deactivated_at integer, locked_at integer, locked_because text
     ) strict`,
    `insert into people (id, email, name, platform_role, created_at)
       select id, lower(email), name, case role when 'owner' then 'admin' end, created_at from users`,
    `create table memberships (
       tenant_id integer not null references tenants, user_id integer not null, role text not null,
       created_at integer not null, primary key (tenant_id, user_id)
     ) strict, without rowid`,
    `create index memberships_user on memberships (user_id)`,
    `insert into memberships (tenant_id, user_id, role, created_at)
       select (select min(id) from tenants), id,
         case role when 'owner' then 'owner' when 'admin' then 'admin' when 'operator' then 'operator'
           else 'analyst' end, created_at
       from users where exists (select 1 from tenants)`,
    // One-time links to an account that exists: setup, reset, email-change, release.
    `create table user_tokens (
       id integer primary key, user_id integer not null, purpose text not null,
       hash text not null unique, email text, created_at integer not null,
       expires_at integer not null, used_at integer
     ) strict`,
    `create index user_tokens_user on user_tokens (user_id, purpose)`,
    `create index user_tokens_age on user_tokens (expires_at)`,
    `insert into user_tokens (user_id, purpose, hash, created_at, expires_at)
       select id, 'setup', setup_hash, created_at, setup_expires_at from users
       where setup_hash is not null`,
    `drop table users`,
    `alter table people rename to users`,

    `create table roles (
       id integer primary key, tenant_id integer not null references tenants, name text not null,
       title text not null, permissions text not null, second_factor integer not null,
       created_at integer not null, changed_at integer not null, unique (tenant_id, name)
     ) strict`,
    `create table invitations (
       id integer primary key, tenant_id integer not null references tenants, email text not null,
       role text not null, hash text not null unique, invited_by text not null,
       created_at integer not null, expires_at integer not null, accepted_at integer,
       revoked_at integer, mailed_at integer
     ) strict`,
    `create index invitations_tenant on invitations (tenant_id)`,

    // stage: 'second-factor' asked for, 'enrol' must set one up, 'open' signed in.
    `create table sessions (
       id integer primary key, user_id integer not null, token_hash text not null unique,
       stage text not null, method text not null, created_at integer not null,
       last_used_at integer not null, expires_at integer not null, confirmed_at integer,
       user_agent text not null, ip text not null, place text not null, ended_at integer,
       ended_because text
     ) strict`,
    `create index sessions_user on sessions (user_id)`,
    `create index sessions_age on sessions (coalesce(ended_at, expires_at))`,
    // pending takes the place of secret once a code has shown that the app has it.
    `create table totp (
       user_id integer primary key, secret text, last_step integer not null,
       created_at integer not null, confirmed_at integer, pending text, pending_at integer
     ) strict`,
    `create table recovery_codes (
       user_id integer not null, hash text not null, created_at integer not null, used_at integer,
       primary key (user_id, hash)
     ) strict, without rowid`,
    `create table passkeys (
       id integer primary key, user_id integer not null, credential_id text not null unique,
       public_key text not null, counter integer not null, transports text not null,
       name text not null, synced integer not null, created_at integer not null,
       last_used_at integer
     ) strict`,
    `create index passkeys_user on passkeys (user_id)`,
    `create table webauthn_challenges (
       challenge text primary key, purpose text not null, user_id integer, session_id integer,
       expires_at integer not null
     ) strict, without rowid`,
    `create index webauthn_challenges_age on webauthn_challenges (expires_at)`,
    // account: tells accounts apart, those that do not exist too; user_id only for those that do.
    `create table sign_ins (
       id integer primary key, user_id integer, account integer not null, at integer not null,
       ip text not null, network text not null, place text not null, device text not null,
       outcome text not null
     ) strict`,
    `create index sign_ins_user on sign_ins (user_id, outcome, at)`,
    `create index sign_ins_network on sign_ins (network, at) where outcome = 'wrong'`,
    `create index sign_ins_age on sign_ins (at)`,
    `create table security_events (
       id integer primary key, tenant_id integer, user_id integer, kind text not null,
       score integer not null, decision text not null, ip text, country text, data text not null,
       at integer not null, handled_at integer, handled_by text,
       handled_note text
     ) strict`,
    `create index security_events_tenant on security_events (tenant_id, id)`,
    `create index security_events_user on security_events (user_id, id)`,

    `alter table keys add column expires_at integer`,
    `alter table keys add column networks text not null default '[]'`,
    `alter table keys add column rate integer`,
    `alter table keys add column created_by text not null default ''`,
    `alter table keys add column replaced_by integer`,
    `alter table credentials add column expires_at integer`,
    `alter table credentials add column networks text not null default '[]'`,
    `alter table credentials add column mode text not null default 'live'`,
    `alter table credentials add column created_by text not null default ''`,
    // The password before the last rotation, good until then.
    `alter table credentials add column former_hash text`,
    `alter table credentials add column former_until integer`,
    `alter table credentials add column rotated_at integer`,
    `create index keys_tenant on keys (tenant_id, id)`,
    `create index credentials_tenant on credentials (tenant_id, id)`,
    // Apart from keys and credentials: it changes all the time and is no part of the catalogue.
    `create table access_uses (
       tenant_id integer not null, kind text not null, id integer not null, at integer not null,
       ip text not null, country text, primary key (tenant_id, kind, id)
     ) strict, without rowid`,
    `create table access_countries (
       tenant_id integer not null, kind text not null, id integer not null, country text not null,
       first_at integer not null, primary key (tenant_id, kind, id, country)
     ) strict, without rowid`,

    // scope: tenant, credential, domain (scope_id is the row's key; of the tenant itself too).
    `create table quotas (
       tenant_id integer not null, scope text not null, scope_id integer not null, hour integer,
       day integer, month integer, over text not null, changed_at integer not null,
       primary key (tenant_id, scope, scope_id)
     ) strict, without rowid`,
    `create table quota_uses (
       tenant_id integer not null, scope text not null, scope_id integer not null,
       unit text not null, start integer not null, used integer not null,
       primary key (tenant_id, scope, scope_id, unit, start)
     ) strict, without rowid`,
    `create index quota_uses_age on quota_uses (unit, start)`,
    // Keys of rows that are gone are given out again, and a new domain must not begin with an old one's quota.
    ...(['domain', 'credential'] as const).map(
      (scope) => `create trigger quotas_of_${scope} after delete on ${scope}s begin
         delete from quotas
           where tenant_id = old.tenant_id and scope = '${scope}' and scope_id = old.id;
         delete from quota_uses
           where tenant_id = old.tenant_id and scope = '${scope}' and scope_id = old.id;
       end`,
    ),

    // Append-only and chained: hash covers the row and the hash before it.
    `create table audit (
       id integer primary key, day text not null, at integer not null, tenant_id integer,
       actor_kind text not null, actor_id integer, actor_name text not null, means text not null,
       ip text, country text, request_id text, action text not null, target_kind text not null,
       target_id text not null, target_name text not null, before text, after text,
       previous text not null, hash text not null
     ) strict`,
    `create index audit_tenant on audit (tenant_id, id)`,
    `create index audit_day on audit (day, id)`,
    `create trigger audit_no_update before update on audit
       begin select raise(abort, 'the audit log is append-only'); end`,
    `create trigger audit_no_delete before delete on audit
       begin select raise(abort, 'the audit log is append-only'); end`,

    // A cache of what remote domains publish: it may be emptied at any time.
    `create table mta_sts_policies (
       domain text primary key, policy_id text not null, mode text not null, mx text not null,
       fetched_at integer not null, expires_at integer not null
     ) strict, without rowid`,
    `create index mta_sts_policies_age on mta_sts_policies (expires_at)`,

    `create table backups (
       id integer primary key, name text not null, target text not null, trigger text not null,
       state text not null, started_at integer not null, heartbeat_at integer not null,
       finished_at integer, bytes integer, messages integer, deliveries integer,
       verified_at integer, error text
     ) strict`,
    // One at a time, over all processes.
    `create unique index backups_running on backups (state) where state = 'running'`,
    `create index backups_name on backups (name)`,
  ],
}
