select id from messages indexed by messages_tenant where tenant_id = ? and id < ? and id >= ? order by id desc limit ?
--   SEARCH messages USING COVERING INDEX messages_tenant (tenant_id=? AND rowid>? AND rowid<?)

select "m".* from "messages" as "m" where "m"."id" in (select value from json_each(?)) and "m"."tenant_id" = ? order by "m"."id" desc limit ?
--   SEARCH m USING INDEX messages_tenant (tenant_id=? AND rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:

select d.id, d.message_id, d.recipient as "to", d.state from json_each(?) wanted cross join deliveries d on d.id in ( select id from deliveries where message_id = wanted.value order by id limit ?) order by d.id
--   SCAN wanted VIRTUAL TABLE INDEX 1:
--   SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED LIST SUBQUERY 1
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id=?)
--   USE TEMP B-TREE FOR ORDER BY

select message_id as id from deliveries d indexed by deliveries_recipient where recipient = ? and tenant_id = ? and d.id < coalesce((select id from deliveries where message_id >= ? order by message_id, id limit 1), ?) and d.id >= coalesce((select id from deliveries where message_id >= ? order by message_id, id limit 1), ?) order by d.id desc limit ?
--   SEARCH d USING INDEX deliveries_recipient (recipient=? AND rowid>? AND rowid<?)
--   SCALAR SUBQUERY 1
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id>?)
--   SCALAR SUBQUERY 2
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id>?)

select "m".* from "messages" as "m" where "m"."id" in (select value from json_each(?)) and "m"."tenant_id" = ? and exists (select 1 from message_tags t where t.tenant_id = ? and t.tag = ? and t.message_id = m.id) and exists (select 1 from deliveries d indexed by deliveries_message where d.message_id = m.id and d.state = ? and d.recipient = ?) order by "m"."id" desc limit ?
--   SEARCH m USING INDEX messages_tenant (tenant_id=? AND rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:
--   SEARCH t EXISTS USING PRIMARY KEY (tenant_id=? AND tag=? AND message_id=?)
--   SEARCH d EXISTS USING INDEX deliveries_message (message_id=?)

select message_id as id from message_tags where tenant_id = ? and tag = ? and message_id < ? and message_id >= ? order by message_id desc limit ?
--   SEARCH message_tags USING PRIMARY KEY (tenant_id=? AND tag=? AND message_id>? AND message_id<?)

select "m".* from "messages" as "m" where "m"."id" in (select value from json_each(?)) and "m"."tenant_id" = ? and "m"."header_from" = ? order by "m"."id" desc limit ?
--   SEARCH m USING INDEX messages_tenant (tenant_id=? AND rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:

select message_id as id from deliveries d indexed by deliveries_trouble where tenant_id = ? and state = ? and state in ('deferred', 'held', 'bounced', 'expired', 'suppressed', 'cancelled') and d.id < coalesce((select id from deliveries where message_id >= ? order by message_id, id limit 1), ?) and d.id >= coalesce((select id from deliveries where message_id >= ? order by message_id, id limit 1), ?) order by d.id desc limit ?
--   SEARCH d USING INDEX deliveries_trouble (tenant_id=? AND state=? AND rowid>? AND rowid<?)
--   SCALAR SUBQUERY 1
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id>?)
--   SCALAR SUBQUERY 2
--     SEARCH deliveries USING COVERING INDEX deliveries_message (message_id>?)

select "m".* from "messages" as "m" where "m"."id" in (select value from json_each(?)) and "m"."tenant_id" = ? and "m"."sandbox" = ? and exists (select 1 from deliveries d indexed by deliveries_message where d.message_id = m.id and d.state = ? ) order by "m"."id" desc limit ?
--   SEARCH m USING INDEX messages_tenant (tenant_id=? AND rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:
--   SEARCH d EXISTS USING INDEX deliveries_message (message_id=?)

select "m".* from "messages" as "m" where "m"."id" in (select value from json_each(?)) and "m"."tenant_id" = ? and exists (select 1 from deliveries d indexed by deliveries_message where d.message_id = m.id and d.state = ? ) order by "m"."id" desc limit ?
--   SEARCH m USING INDEX messages_tenant (tenant_id=? AND rowid=?)
--   LIST SUBQUERY 1
--     SCAN json_each VIRTUAL TABLE INDEX 1:
--   SEARCH d EXISTS USING INDEX deliveries_message (message_id=?)
