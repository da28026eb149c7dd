select "scope", "scope_id", "unit", "start", "used" from "quota_uses" where "quota_uses"."tenant_id" = ? and (("unit" = ? and "start" >= ?) or ("unit" = ? and "start" >= ?) or ("unit" = ? and "start" >= ?)) order by "start"
--   SEARCH quota_uses USING PRIMARY KEY (tenant_id=?)
--   USE TEMP B-TREE FOR ORDER BY
