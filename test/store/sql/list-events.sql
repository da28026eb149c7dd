select max(id) as id from events
--   SEARCH events

select "e".*, "d"."recipient" from (select * from events where id > ? and id <= ? order by id limit ?) as "e" left join "deliveries" as "d" on "d"."id" = "e"."delivery_id" where "e"."tenant_id" = ? limit ?
--   CO-ROUTINE e
--     SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
--   SCAN e
--   SEARCH d USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

select max(id) as id from (select * from events where id > ? and id <= ? order by id limit ?)
--   CO-ROUTINE (subquery-1)
--     SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
--   SEARCH (subquery-1)
