select l.id, s.name as source, l.destination, coalesce(q.waiting, 0) as waiting, coalesce(q.due, 0) as due, q.oldest, q.next_at, l.suspended_until, l.suspended_because, (l.owner is not null and l.owned_until > ?) as owned, (select count(*) from deliveries indexed by deliveries_leased where lane_id = l.id and state = 'leased') as leased from lanes l join sources s on s.id = l.source_id left join ( select lane_id, count(*) as waiting, sum(next_at <= ?) as due, min(next_at) as next_at, min(id) as oldest from deliveries indexed by deliveries_queue where state in ('queued', 'deferred') and lane_id is not null group by lane_id ) q on q.lane_id = l.id order by waiting desc, l.id
--   MATERIALIZE q
--     SEARCH deliveries USING INDEX deliveries_queue (lane_id>?)
--   SCAN l USING INDEX sqlite_autoindex_lanes_1
--   SEARCH s USING INTEGER PRIMARY KEY (rowid=?)
--   BLOOM FILTER ON q (lane_id=?)
--   SEARCH q USING AUTOMATIC COVERING INDEX (lane_id=?) LEFT-JOIN
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH deliveries USING COVERING INDEX deliveries_leased (lane_id=?)
--   USE TEMP B-TREE FOR ORDER BY

select (select count(*) from deliveries indexed by deliveries_unrouted where lane_id is null and state in ('queued', 'deferred')) as unrouted, (select count(*) from deliveries indexed by deliveries_queue where state in ('queued', 'deferred')) as waiting
--   SCAN CONSTANT ROW
--   SCALAR SUBQUERY 1
--     SCAN deliveries USING INDEX deliveries_unrouted
--   SCALAR SUBQUERY 2
--     SCAN deliveries USING INDEX deliveries_queue

select id from lanes where exists (select 1 from deliveries indexed by deliveries_queue where lane_id = lanes.id and state in ('queued', 'deferred')) or exists (select 1 from deliveries indexed by deliveries_leased where lane_id = lanes.id and state = 'leased')
--   SCAN lanes USING COVERING INDEX sqlite_autoindex_lanes_1
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH deliveries USING INDEX deliveries_queue (lane_id=?)
--   CORRELATED SCALAR SUBQUERY 2
--     SEARCH deliveries USING COVERING INDEX deliveries_leased (lane_id=?)

select domain, min(next_at) as at from deliveries indexed by deliveries_unrouted where lane_id is null and state in ('queued', 'deferred') group by domain
--   SCAN deliveries USING INDEX deliveries_unrouted

select d.id, d.message_id, d.tenant_id, d.recipient, d.domain, d.attempts, d.next_at, d.expires_at, m.stream, m.header_from, m.tags from deliveries d indexed by deliveries_unrouted join messages m on m.id = d.message_id where lane_id is null and state in ('queued', 'deferred') and domain = ? and d.id > ? order by d.id limit ?
--   SEARCH d USING INDEX deliveries_unrouted (domain=? AND id>?)
--   SEARCH m USING INTEGER PRIMARY KEY (rowid=?)
