select * from "messages" where "id" = ? and "tenant_id" = ?
--   SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)

select * from "deliveries" where "message_id" = ? and "id" > ? order by "id" limit ?
--   SEARCH deliveries USING INDEX deliveries_message (message_id=? AND rowid>?)

select * from "attempts" where "delivery_id" in (?) order by "delivery_id", "number"
--   SEARCH attempts USING PRIMARY KEY (delivery_id=?)

select * from "events" where "delivery_id" in (?) order by "id"
--   SEARCH events USING INDEX events_delivery (delivery_id=?)

select * from "deliveries" where "id" = ? and "tenant_id" = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)

select * from "messages" where "id" = ?
--   SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)

select * from "deliveries" where "id" = ?
--   SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)
