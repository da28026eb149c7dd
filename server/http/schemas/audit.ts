/** The audit log. */
import Type from 'typebox'
import { cursorOf, limit } from './query.ts'
import { anything, count, flag, input, maybe, oneOf, pageOf, strict, text, time } from './parts.ts'

export const AuditRecord = Type.Object(
  {
    id: text('Id of the record.', 'aud_00000000012'),
    at: time('When it happened.'),
    tenant: maybe(text('The tenant it happened in.', 'ten_00000000001')),
    actor: Type.Object(
      {
        kind: oneOf(['user', 'key', 'operator', 'system'], 'What they are.', 'user'),
        name: text('Who it was.', 'anna@shop.example'),
        means: oneOf(['session', 'api-key', 'link', 'cli', 'program'], 'By what means.', 'session'),
        ip: maybe(text('From which address.', '192.0.2.7')),
        country: maybe(text('From which country.', 'DE')),
        requestId: maybe(text('In which request.', 'mkz3a1-2f')),
      },
      { description: 'Who did it.' },
    ),
    action: text('What was done.', 'key.created'),
    target: Type.Object(
      {
        kind: text('What it was done to.', 'key'),
        id: text('Its id.', 'key_00000000007'),
        name: text('Its name.', 'shop backend'),
      },
      { description: 'What it was done to.' },
    ),
    before: maybe(anything('What it was.', { scopes: ['messages:read'] })),
    after: maybe(anything('What it is.', { scopes: ['messages:send'] })),
    hash: text('Seals the record and the one before it.', '5f0c…'),
  },
  { title: 'AuditRecord', description: 'One change, with who did it.' },
)
export const AuditPage = pageOf(AuditRecord, 'AuditPage', { list: 'audit' })

export const AuditQuery = Type.Object(
  {
    action: maybe(input('Only this action; `key.*` for all on keys.', 'key.*', { maxLength: 64 })),
    actor: maybe(input('Only what they did.', 'anna@shop.example', { maxLength: 320 })),
    target: maybe(input('Only what was done to this.', 'key_00000000007', { maxLength: 64 })),
    since: maybe(
      Type.String({
        maxLength: 40,
        format: 'date-time',
        description: 'Not older than this (RFC 3339).',
        examples: ['2026-01-01T00:00:00Z'],
      }),
    ),
    all: maybe(flag('Every tenant, and the installation itself. For platform operators.', false)),
    limit,
    cursor: cursorOf('audit'),
  },
  strict,
)
export const AuditExportQuery = Type.Object(
  { all: maybe(flag('Every tenant, and the installation itself. For platform operators.', false)) },
  strict,
)

const Fault = Type.Object(
  {
    id: count('Number of the record at which it shows.', 17),
    kind: oneOf(['edited', 'missing', 'inserted', 'cut-off', 'head'], 'What is wrong.', 'edited'),
    text: text('The same in words.', 'Record 17 was changed after it was written.'),
  },
  { title: 'AuditFault', description: 'A place where the log is not as it was written.' },
)
export const AuditReport = Type.Object(
  {
    ok: flag('Nothing is wrong.', true),
    records: count('Records that were checked.', 4711),
    days: count('Days they are from.', 92),
    head: maybe(text('Hash of the last record; keep it elsewhere to compare later.', '5f0c…')),
    faults: Type.Array(Fault, { description: 'What is wrong, at most 100.' }),
  },
  { title: 'AuditReport', description: 'Whether the log is whole.' },
)
