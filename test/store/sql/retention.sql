delete from bodies where message_id in ( select message_id from bodies where message_id < ? and not exists (select 1 from deliveries where message_id = bodies.message_id and state in ('queued', 'leased', 'deferred', 'held')) limit ?)
--   SEARCH bodies USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 2
--     SEARCH bodies USING INTEGER PRIMARY KEY (rowid<?)
--     CORRELATED SCALAR SUBQUERY 1
--       SEARCH deliveries USING INDEX deliveries_message (message_id=?)

delete from attempts where (delivery_id, number) in ( select delivery_id, number from attempts where delivery_id < ? and not exists (select 1 from deliveries where id = attempts.delivery_id and state in ('queued', 'leased', 'deferred', 'held')) limit ?)
--   SEARCH attempts USING PRIMARY KEY (delivery_id=? AND number=?)
--   LIST SUBQUERY 3
--     SEARCH attempts USING PRIMARY KEY (delivery_id<?)
--     CORRELATED SCALAR SUBQUERY 1
--       SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

delete from deliveries where id in ( select id from deliveries where id < ? and state not in ('queued', 'leased', 'deferred', 'held') limit ?)
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 1
--     SEARCH deliveries USING INTEGER PRIMARY KEY (rowid<?)

select id, tenant_id, tags from messages where id < ? and spool is null and not exists (select 1 from deliveries where message_id = messages.id) order by id limit ?
--   SEARCH messages USING INTEGER PRIMARY KEY (rowid<?)
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id=?)

delete from message_tags where (tenant_id, tag, message_id) in ( select value ->> 0, value ->> 1, value ->> 2 from json_each(?))
--   SEARCH message_tags USING PRIMARY KEY (tenant_id=? AND tag=? AND message_id=?)
--   LIST SUBQUERY 2
--     SCAN json_each VIRTUAL TABLE INDEX 1:

delete from messages where id in ( select value from json_each(?))
--   SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:

delete from events where id in ( select id from events where id < ? and not exists (select 1 from deliveries where id = events.delivery_id and state in ('queued', 'leased', 'deferred', 'held')) limit ?)
--   SEARCH events USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 2
--     SEARCH events USING INTEGER PRIMARY KEY (rowid<?)
--     CORRELATED SCALAR SUBQUERY 1
--       SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

delete from idempotency where (tenant_id, key) in ( select tenant_id, key from idempotency indexed by idempotency_age where created_at < ? limit ?)
--   SEARCH idempotency USING PRIMARY KEY (tenant_id=? AND key=?)
--   LIST SUBQUERY 2
--     SEARCH idempotency USING COVERING INDEX idempotency_age (created_at<?)

delete from sessions where id in ( select id from sessions where coalesce(ended_at, expires_at) < ? limit ?)
--   SEARCH sessions USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 1
--     SEARCH sessions USING COVERING INDEX sessions_age (<expr><?)

delete from user_tokens where id in ( select id from user_tokens where expires_at < ? limit ?)
--   SEARCH user_tokens USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 1
--     SEARCH user_tokens USING COVERING INDEX user_tokens_age (expires_at<?)

delete from sign_ins where id in ( select id from sign_ins as old where at < ? and (outcome <> 'ok' or at < ( select max(at) from sign_ins where user_id = old.user_id and outcome = 'ok')) order by at limit ?)
--   SEARCH sign_ins USING INTEGER PRIMARY KEY (rowid=?)
--   LIST SUBQUERY 2
--     SEARCH old USING INDEX sign_ins_age (at<?)
--     CORRELATED SCALAR SUBQUERY 1
--       SEARCH sign_ins USING COVERING INDEX sign_ins_user (user_id=? AND outcome=?)

delete from quota_uses where (tenant_id, scope, scope_id, unit, start) in ( select tenant_id, scope, scope_id, unit, start from quota_uses indexed by quota_uses_age where unit = ? and start < ? limit ?)
--   SEARCH quota_uses USING PRIMARY KEY (tenant_id=? AND scope=? AND scope_id=? AND unit=? AND start=?)
--   LIST SUBQUERY 2
--     SEARCH quota_uses USING COVERING INDEX quota_uses_age (unit=? AND start<?)

select id, spool from messages indexed by messages_spool where spool is not null and id < ? and not exists (select 1 from deliveries where message_id = messages.id and state in ('queued', 'leased', 'deferred', 'held')) limit ?
--   SEARCH messages USING COVERING INDEX messages_spool (spool>?)
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH deliveries USING INDEX deliveries_message (message_id=?)

update "messages" set "spool" = ? where "id" in (?)
--   SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)
