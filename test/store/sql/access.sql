select "keys".*, "access_uses"."at" as "used_at", "access_uses"."ip" as "used_ip", "access_uses"."country" as "used_country" from "keys" left join "access_uses" on "access_uses"."tenant_id" = "keys"."tenant_id" and "access_uses"."kind" = ? and "access_uses"."id" = "keys"."id" where "keys"."tenant_id" = ? order by "keys"."id" desc limit ?
--   SEARCH keys USING INDEX keys_tenant (tenant_id=?)
--   SEARCH access_uses USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?) LEFT-JOIN

select "keys".*, "access_uses"."at" as "used_at", "access_uses"."ip" as "used_ip", "access_uses"."country" as "used_country" from "keys" left join "access_uses" on "access_uses"."tenant_id" = "keys"."tenant_id" and "access_uses"."kind" = ? and "access_uses"."id" = "keys"."id" where "keys"."tenant_id" = ? and "keys"."id" < ? order by "keys"."id" desc limit ?
--   SEARCH keys USING INDEX keys_tenant (tenant_id=? AND id<?)
--   SEARCH access_uses USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?) LEFT-JOIN

select "keys".*, "access_uses"."at" as "used_at", "access_uses"."ip" as "used_ip", "access_uses"."country" as "used_country" from "keys" left join "access_uses" on "access_uses"."tenant_id" = "keys"."tenant_id" and "access_uses"."kind" = ? and "access_uses"."id" = "keys"."id" where "keys"."tenant_id" = ? and "keys"."id" = ?
--   SEARCH keys USING INTEGER PRIMARY KEY (rowid=?)
--   SEARCH access_uses USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?) LEFT-JOIN

select "credentials".*, "access_uses"."at" as "used_at", "access_uses"."ip" as "used_ip", "access_uses"."country" as "used_country" from "credentials" left join "access_uses" on "access_uses"."tenant_id" = "credentials"."tenant_id" and "access_uses"."kind" = ? and "access_uses"."id" = "credentials"."id" where "credentials"."tenant_id" = ? and "credentials"."id" < ? order by "credentials"."id" desc limit ?
--   SEARCH credentials USING INDEX credentials_tenant (tenant_id=? AND id<?)
--   SEARCH access_uses USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?) LEFT-JOIN

select "credentials".*, "access_uses"."at" as "used_at", "access_uses"."ip" as "used_ip", "access_uses"."country" as "used_country" from "credentials" left join "access_uses" on "access_uses"."tenant_id" = "credentials"."tenant_id" and "access_uses"."kind" = ? and "access_uses"."id" = "credentials"."id" where "credentials"."tenant_id" = ? and "credentials"."id" = ?
--   SEARCH credentials USING INTEGER PRIMARY KEY (rowid=?)
--   SEARCH access_uses USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?) LEFT-JOIN

insert into access_countries (tenant_id, kind, id, country, first_at) select value ->> 'tenant', value ->> 'kind', value ->> 'id', value ->> 'country', value ->> 'at' from json_each(?) where true on conflict do nothing returning concat_ws('/', tenant_id, kind, id, country) as word, exists ( select 1 from access_uses as u where u.tenant_id = access_countries.tenant_id and u.kind = access_countries.kind and u.id = access_countries.id) as used
--   SCAN json_each VIRTUAL TABLE INDEX 1:
--   CORRELATED SCALAR SUBQUERY 2
--     SEARCH u USING PRIMARY KEY (tenant_id=? AND kind=? AND id=?)

insert into access_uses (tenant_id, kind, id, at, ip, country) select value ->> 'tenant', value ->> 'kind', value ->> 'id', value ->> 'at', value ->> 'ip', value ->> 'country' from json_each(?) where true on conflict do update set at = excluded.at, ip = excluded.ip, country = excluded.country where excluded.at >= access_uses.at
--   SCAN json_each VIRTUAL TABLE INDEX 1:
