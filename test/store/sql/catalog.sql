select "value" from "settings" where "name" = ?
--   SEARCH settings USING PRIMARY KEY (name=?)

select * from "tenants"
--   SCAN tenants

select * from "sources"
--   SCAN sources

select * from "routes" order by "position"
--   SCAN routes
--   USE TEMP B-TREE FOR ORDER BY

select * from "domains"
--   SCAN domains

select * from "dkim_keys" where "retired_at" is null
--   SCAN dkim_keys

select * from "credentials"
--   SCAN credentials

select * from "keys"
--   SCAN keys

select * from "pools"
--   SCAN pools

select * from "pool_sources"
--   SCAN pool_sources

select * from "limits"
--   SCAN limits

select q.tenant_id, q.scope, q.scope_id, q.hour, q.day, q.month, q.over, coalesce(t.name, c.username, d.name) as name from quotas q left join tenants t on q.scope = 'tenant' and t.id = q.scope_id left join credentials c on q.scope = 'credential' and c.id = q.scope_id left join domains d on q.scope = 'domain' and d.id = q.scope_id
--   SCAN q
--   SEARCH t USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
--   SEARCH c USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
--   SEARCH d USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
