select max(id) as id from events
--   SEARCH events

insert into events (id, delivery_id, message_id, tenant_id, type, attempt, data) values (?, ?, ?, ?, ?, ?, ?)

select max(id) as id from messages
--   SEARCH messages

select max(id) as id from deliveries
--   SEARCH deliveries

insert into messages (id, tenant_id, stream, via, credential_id, key_id, mail_from, header_from, subject, message_id_header, tags, metadata, size, copies, send_at, sandbox, smtputf8, spool) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

insert into bodies (message_id, bytes) values (?, ?)

insert or ignore into message_tags (tenant_id, tag, message_id) values (?, ?, ?)

insert into deliveries (id, message_id, tenant_id, priority, recipient, domain, state, reason, lane_id, next_at, expires_at, attempts, changed_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)

select fingerprint, messages from idempotency where tenant_id = ? and key = ?
--   SEARCH idempotency USING PRIMARY KEY (tenant_id=? AND key=?)

insert into idempotency (tenant_id, key, fingerprint, messages, created_at) values (?, ?, ?, ?, ?)

select id, recipient, state, reason, lane_id, next_at from deliveries where message_id = ? order by id
--   SEARCH deliveries USING INDEX deliveries_message (message_id=?)

select start, used from quota_uses where tenant_id = ? and scope = ? and scope_id = ? and unit = ? and start >= ?
--   SEARCH quota_uses USING PRIMARY KEY (tenant_id=? AND scope=? AND scope_id=? AND unit=? AND start>?)

insert into quota_uses (tenant_id, scope, scope_id, unit, start, used) values (?, ?, ?, ?, ?, ?) on conflict (tenant_id, scope, scope_id, unit, start) do update set used = used + excluded.used

select 1 from suppressions limit 1
--   SCAN suppressions USING COVERING INDEX sqlite_autoindex_suppressions_1

select 1 from suppressions where address = ? and tenant_id = ?
--   SEARCH suppressions USING COVERING INDEX sqlite_autoindex_suppressions_1 (address=? AND tenant_id=?)

select owner, owned_until, pace, suspended_until, suspended_because from lanes where id = ?
--   SEARCH lanes USING INTEGER PRIMARY KEY (rowid=?)

update lanes set owner = ?, owned_until = ? where id = ?
--   SEARCH lanes USING INTEGER PRIMARY KEY (rowid=?)

update lanes set owned_until = ?, pace = ? where id = ? and owner = ?
--   SEARCH lanes USING INTEGER PRIMARY KEY (rowid=?)

update lanes set owner = null, owned_until = 0, pace = ? where id = ? and owner = ?
--   SEARCH lanes USING INTEGER PRIMARY KEY (rowid=?)

select id, message_id, tenant_id, attempts, changed_at from deliveries indexed by deliveries_leased where lane_id = ? and state = 'leased' and lease is not ?
--   SEARCH deliveries USING INDEX deliveries_leased (lane_id=?)

update deliveries set state = 'deferred', reason = 'in-doubt', lease = null, next_at = ?, changed_at = ? where id = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

insert or ignore into attempts (delivery_id, number, started_at, ended_at, kind, lane_id, detail) values (?, ?, ?, ?, 'in-doubt', ?, 'The worker vanished before the outcome was written; the remote may have the message.')

select priority, tenant_id, next_at from deliveries indexed by deliveries_queue where lane_id = ? and state in ('queued', 'deferred') and (priority, tenant_id, next_at) > (?, ?, 9007199254740991) order by priority, tenant_id, next_at limit 1
--   SEARCH deliveries USING INDEX deliveries_queue (lane_id=? AND (priority,tenant_id,next_at)>(?,?,?))

select d.id, d.message_id, d.recipient, d.domain, d.attempts, d.expires_at, d.tenant_id, m.stream, m.mail_from, m.header_from, m.message_id_header, m.size, m.spool, m.smtputf8, m.copies from deliveries d indexed by deliveries_queue join messages m on m.id = d.message_id where d.lane_id = ? and d.priority = ? and d.tenant_id = ? and d.state in ('queued', 'deferred') and d.next_at <= ? order by d.next_at limit ?
--   SEARCH d USING INDEX deliveries_queue (lane_id=? AND priority=? AND tenant_id=? AND next_at<?)
--   SEARCH m USING INTEGER PRIMARY KEY (rowid=?)

update deliveries set state = 'leased', reason = 'leased', lease = ?, attempts = attempts + 1, changed_at = ? where id = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

select next_at from deliveries indexed by deliveries_queue where lane_id = ? and priority = ? and tenant_id = ? and state in ('queued', 'deferred') order by next_at limit 1
--   SEARCH deliveries USING INDEX deliveries_queue (lane_id=? AND priority=? AND tenant_id=?)

update deliveries set state = ?, reason = ?, next_at = coalesce(?, next_at), lease = null, attempts = ?, lane_id = case when ? then null else lane_id end, code = coalesce(?, code), category = coalesce(?, category), changed_at = ? where id = ? and state = 'leased' and lease = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

update deliveries set state = ?, reason = ?, next_at = coalesce(?, next_at), lease = null, attempts = ?, lane_id = case when ? then null else lane_id end, code = coalesce(?, code), category = coalesce(?, category), changed_at = ? where id = ? and lane_id is null and state in ('queued', 'deferred')
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

insert or replace into attempts (delivery_id, number, started_at, ended_at, kind, stage, code, enhanced, reply, fault, detail, host, ip, source_ip, lane_id, tls, category, scope, permanence, action, rule, transcript) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (select lane_id from deliveries where id = ?), ?, ?, ?, ?, ?, ?, ?)
--   SCALAR SUBQUERY 1
--     SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

update deliveries set lane_id = ? where id = ? and lane_id is null and state in ('queued', 'deferred')
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

select id, tenant_id, message_id from deliveries where message_id = ? and state in ('queued', 'deferred', 'held')
--   SEARCH deliveries USING INDEX deliveries_message (message_id=?)

update deliveries set state = ?, reason = ?, next_at = ?, changed_at = ? where id = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

update deliveries set state = 'queued', reason = 'retried-by-operator', next_at = ?, changed_at = ?, expires_at = max(expires_at, ?) where id = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

select state, tenant_id, message_id, lane_id from deliveries where id = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)
