/** Roles: which permissions come together under a name. */
import Type from 'typebox'
import { ALL_TENANT_PERMISSIONS } from '../../core/permission.ts'
import { flag, input, listOf, maybe, oneOf, strict, text } from './parts.ts'

export const RoleParams = Type.Object(
  { id: input('Id of the role.', 'rol_01kq3v8r4t2', { maxLength: 64 }) },
  strict,
)

const permission = Type.Enum([...ALL_TENANT_PERMISSIONS], { type: 'string' })
const permissions = Type.Array(permission, {
  maxItems: ALL_TENANT_PERMISSIONS.length,
  description: 'What it lets somebody do.',
  examples: [['messages:read', 'suppressions:manage']],
})
const titleInput = input('Title for people.', 'Support', {
  minLength: 1,
  maxLength: 100,
  pattern: '^[^\\x00-\\x1f\\x7f]*$',
})
const secondFactorInput = Type.Boolean({
  description: 'Whoever has the role must have a second factor.',
  examples: [true],
})

export const Role = Type.Object(
  {
    id: maybe(text('Id of the role; built-in ones have none.', 'rol_01kq3v8r4t2')),
    name: text('The name that members and invitations carry.', 'support'),
    title: text('Title for people.', 'Support'),
    description: maybe(text('What a built-in role is for.', 'Looks, and changes nothing.')),
    kind: oneOf(['built-in', 'own'], 'Whether every tenant has it.', 'own'),
    permissions,
    secondFactor: flag('Whoever has the role must have a second factor.', true),
  },
  { title: 'Role', description: 'Permissions under a name.' },
)
export const RoleList = listOf(Role, 'RoleList')
export const RoleInput = Type.Object(
  {
    name: input('1 to 32 lower-case letters, digits and hyphens; it stays for good.', 'support', {
      minLength: 1,
      maxLength: 32,
    }),
    title: titleInput,
    permissions,
    secondFactor: maybe(secondFactorInput),
  },
  { ...strict, title: 'RoleInput', description: 'A role to make.' },
)
export const RoleChange = Type.Object(
  {
    title: maybe(titleInput),
    permissions: maybe(permissions),
    secondFactor: maybe(secondFactorInput),
  },
  { ...strict, title: 'RoleChange', description: 'What to change.' },
)
