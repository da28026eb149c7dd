/** Quotas. */
import Type from 'typebox'
import { QUOTA_SCOPES, QUOTA_UNITS } from '../../core/quota.ts'
import { count, input, listOf, maybe, oneOf, strict, text, time } from './parts.ts'

const over = oneOf(
  ['delay', 'refuse'],
  'delay: mail beyond it waits for the next window with room. refuse: it is not taken.',
  'delay',
)
const scope = oneOf(QUOTA_SCOPES, 'What is limited.', 'domain')

export const Quota = Type.Object(
  {
    scope,
    id: text('Id of the tenant, the SMTP login or the domain.', 'dom_00000000003'),
    name: text('Name of the tenant, the SMTP login or the domain.', 'shop.example'),
    over,
    windows: Type.Array(
      Type.Object({
        unit: oneOf(QUOTA_UNITS, 'The window, by the calendar in UTC.', 'day'),
        limit: count('Recipients in it at most.', 10_000),
        used: count('Recipients counted in the present one.', 1200),
        resetsAt: time('When the next one begins.'),
        planned: count('Recipients that wait for later windows, or are scheduled in them.', 0),
      }),
      { description: 'One for each limit.' },
    ),
  },
  {
    title: 'Quota',
    description: 'How many recipients may be addressed: one message to ten people counts ten.',
  },
)
export const QuotaList = listOf(Quota, 'QuotaList')

const limit = (unit: string, example: number) =>
  maybe(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: `Recipients per ${unit}.`,
      examples: [example],
    }),
  )
export const QuotaInput = Type.Object(
  {
    hour: limit('hour', 1000),
    day: limit('day', 10_000),
    month: limit('month', 200_000),
    over,
  },
  { ...strict, title: 'QuotaInput', description: 'The limits; one that is not named is none.' },
)
export const QuotaParams = Type.Object(
  {
    scope,
    name: input(
      'User name or id of the login, name or id of the domain; of the tenant its name.',
      'shop.example',
      {
        minLength: 1,
        maxLength: 253,
      },
    ),
  },
  strict,
)
