/**
 * The tables of roles in `docs/security.md`, made from `server/core/permission.ts`, so that whoever approves the product
 * by that page reads what the program does. The rest of the page is written by hand.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './ensure.mjs'
import { table } from './table.mjs'

const PAGE = 'docs/security.md'

const matrix = (permissions, roles) =>
  table(
    ['permission', ...Object.keys(roles)],
    permissions.map((permission) => [
      `\`${permission}\``,
      ...Object.values(roles).map((role) => (role.permissions.includes(permission) ? 'yes' : '')),
    ]),
  )

/** Puts `text` between the marks of `name`. Throws when the page has no such marks. */
function fill(page, name, text) {
  const begin = `<!-- generated: ${name} -->`
  const end = '<!-- end -->'
  const from = page.indexOf(begin)
  const to = page.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`${PAGE} has no place for the ${name}.`)
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`
}

/** Path → text, for generate.mjs. `built` is the built `server/core/permission.js`. */
export function roleTableFiles(built) {
  const { BUILT_IN_ROLES, PLATFORM_ROLES, ALL_TENANT_PERMISSIONS, ALL_PLATFORM_PERMISSIONS } = built
  const page = readFileSync(join(root, PAGE), 'utf8')
  const tenant = matrix(ALL_TENANT_PERMISSIONS, BUILT_IN_ROLES)
  const platform = matrix(ALL_PLATFORM_PERMISSIONS, PLATFORM_ROLES)
  const inTenants = Object.entries(PLATFORM_ROLES).map(
    ([name, role]) => `\`${name}\` is \`${role.inTenants}\``,
  )
  return {
    [PAGE]: fill(
      fill(page, 'roles of a tenant', tenant),
      'roles over the installation',
      `${platform}\n\nIn every tenant, ${inTenants.join(', ')}.`,
    ),
  }
}
