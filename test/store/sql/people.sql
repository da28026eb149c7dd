select * from "users" where "email" = ? limit ?
--   SEARCH users USING INDEX sqlite_autoindex_users_1 (email=?)

select *, ( exists (select 1 from totp where totp.user_id = users.id and totp.confirmed_at is not null) or exists (select 1 from passkeys where passkeys.user_id = users.id)) as "second_factor" from "users" where "id" > ? order by "id" limit ?
--   SEARCH users USING INTEGER PRIMARY KEY (rowid>?)
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH totp USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED SCALAR SUBQUERY 2
--     SEARCH passkeys USING COVERING INDEX passkeys_user (user_id=?)

select "id" from "users" where "id" = ? and ( exists (select 1 from totp where totp.user_id = users.id and totp.confirmed_at is not null) or exists (select 1 from passkeys where passkeys.user_id = users.id))
--   SEARCH users USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH totp USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED SCALAR SUBQUERY 2
--     SEARCH passkeys USING COVERING INDEX passkeys_user (user_id=?)

select "memberships"."tenant_id", "tenants"."name" as "tenant_name", "tenants"."settings" as "tenant_settings", "memberships"."role", "roles"."permissions", "roles"."second_factor" from "memberships" inner join "tenants" on "tenants"."id" = "memberships"."tenant_id" left join "roles" on "roles"."tenant_id" = "memberships"."tenant_id" and "roles"."name" = "memberships"."role" where "memberships"."user_id" = ? and "tenants"."disabled_at" is null order by "memberships"."tenant_id"
--   SEARCH memberships USING INDEX memberships_user (user_id=?)
--   SEARCH tenants USING INTEGER PRIMARY KEY (rowid=?)
--   SEARCH roles USING INDEX sqlite_autoindex_roles_1 (tenant_id=? AND name=?) LEFT-JOIN

select "memberships"."user_id", "users"."email", "users"."name", "memberships"."role", "memberships"."created_at", "users"."deactivated_at", users.password_hash is not null as "has_password", ( exists (select 1 from totp where totp.user_id = users.id and totp.confirmed_at is not null) or exists (select 1 from passkeys where passkeys.user_id = users.id)) as "has_second_factor" from "memberships" inner join "users" on "users"."id" = "memberships"."user_id" where "memberships"."tenant_id" = ? order by "users"."email"
--   SEARCH memberships USING PRIMARY KEY (tenant_id=?)
--   SEARCH users USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH totp USING INTEGER PRIMARY KEY (rowid=?)
--   CORRELATED SCALAR SUBQUERY 2
--     SEARCH passkeys USING COVERING INDEX passkeys_user (user_id=?)
--   USE TEMP B-TREE FOR ORDER BY

select "user_tokens"."user_id", "user_tokens"."purpose", "user_tokens"."email" as "new_email", "user_tokens"."expires_at", "users"."email", "users"."name", "users"."password_hash", "users"."confirmed_at" from "user_tokens" inner join "users" on "users"."id" = "user_tokens"."user_id" where "user_tokens"."hash" = ? and "user_tokens"."used_at" is null and "user_tokens"."expires_at" > ? and "users"."deactivated_at" is null
--   SEARCH user_tokens USING INDEX sqlite_autoindex_user_tokens_1 (hash=?)
--   SEARCH users USING INTEGER PRIMARY KEY (rowid=?)

select "invitations".*, "tenants"."name" as "tenant_name" from "invitations" inner join "tenants" on "tenants"."id" = "invitations"."tenant_id" where "invitations"."hash" = ? and "invitations"."accepted_at" is null and "invitations"."revoked_at" is null and "invitations"."expires_at" > ? and "tenants"."disabled_at" is null
--   SEARCH invitations USING INDEX sqlite_autoindex_invitations_1 (hash=?)
--   SEARCH tenants USING INTEGER PRIMARY KEY (rowid=?)

select * from "invitations" where "invitations"."tenant_id" = ? and "accepted_at" is null and "revoked_at" is null and "expires_at" > ? order by "id" desc
--   SEARCH invitations USING INDEX invitations_tenant (tenant_id=?)

select * from "roles" where "roles"."tenant_id" = ? order by "name"
--   SEARCH roles USING INDEX sqlite_autoindex_roles_1 (tenant_id=?)

select *, (select count(*) from memberships where memberships.tenant_id = tenants.id) as "members" from "tenants" order by "tenants"."id"
--   SCAN tenants
--   CORRELATED SCALAR SUBQUERY 1
--     SEARCH memberships USING PRIMARY KEY (tenant_id=?)

select "id", "name", "tenant_id" as "tenant" from "keys" where "created_by" = ? and "revoked_at" is null
--   SCAN keys

select "id", "username" as "name", "tenant_id" as "tenant" from "credentials" where "created_by" = ? and "revoked_at" is null
--   SCAN credentials
