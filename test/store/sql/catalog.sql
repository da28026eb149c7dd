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

select * from "quotas"
--   SCAN quotas
