/** What operators look after: security events, secrets at rest, backups. */
import Type from 'typebox'
import { DECISIONS } from '../../core/security.ts'
import { count, facts, flag, input, maybe, oneOf, pageOf, strict, text, time } from './parts.ts'
import { cursorOf, limit } from './query.ts'

export const SecurityEvent = Type.Object(
  {
    id: text('Id of the event.', 'sec_00000000012'),
    kind: text('What was noticed.', 'new-country'),
    title: text('The same in words.', 'A sign-in from a country not signed in from before.'),
    score: count('How grave, 0 to 100.', 50),
    decision: oneOf(DECISIONS, 'What was done.', 'challenge'),
    tenant: maybe(text('The tenant it is about.', 'ten_00000000001')),
    user: maybe(text('The person it is about.', 'usr_00000000001')),
    ip: maybe(text('The address.', '192.0.2.7')),
    country: maybe(text('Where that is.', 'DE')),
    data: facts('The facts it was judged by.', { reasons: ['First sign-in from DE.'] }),
    at: time('When it was noticed.'),
    handledAt: maybe(time('When somebody looked at it.')),
    handledBy: maybe(text('Who did.', 'anna@shop.example')),
    note: maybe(text('What they said of it.', 'It was me, on holiday.')),
  },
  { title: 'SecurityEvent', description: 'Something noticed about an account or a key.' },
)
export const SecurityPage = pageOf(SecurityEvent, 'SecurityPage', { list: 'security' })
export const SecurityQuery = Type.Object(
  {
    all: maybe(flag('Of the whole installation. For platform operators.', false)),
    unhandled: maybe(flag('Only those that nobody has looked at.', true)),
    limit,
    cursor: cursorOf('security'),
  },
  strict,
)
export const Handling = Type.Object(
  {
    note: input('What came of it.', 'It was me, on holiday.', { maxLength: 1000 }),
    all: maybe(flag('An event of the whole installation. For platform operators.', false)),
  },
  { ...strict, title: 'Handling', description: 'What came of it.' },
)

const KeyVersion = Type.Object(
  {
    version: count('The version.', 2),
    secrets: count('Secrets sealed under it.', 12),
    isThere: flag('The key file holds it.', true),
  },
  { title: 'KeyVersion', description: 'A version of the master key.' },
)
export const SecretsStatus = Type.Object(
  {
    current: count('The version that new secrets are sealed under.', 2),
    outdated: count('Secrets under older versions.', 0),
    versions: Type.Array(KeyVersion, { description: 'Every version.' }),
  },
  { title: 'SecretsStatus', description: 'How secrets at rest are sealed.' },
)
export const Rotation = Type.Object(
  {
    version: count('The new version.', 2),
    resealed: count('Secrets sealed under it now.', 12),
    unreadable: count('Secrets that could not be opened and stay as they are.', 0),
  },
  { title: 'SecretsRotation', description: 'What a rotation did.' },
)

export const Backup = Type.Object(
  {
    name: text('Name of the backup.', 'posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb'),
    target: text('Where it is.', '/var/backups/posthorn'),
    trigger: maybe(oneOf(['schedule', 'demand'], 'Who wanted it.', 'schedule')),
    state: oneOf(['running', 'done', 'failed'], 'How far it is.', 'done'),
    startedAt: time('When it began.'),
    finishedAt: maybe(time('When it was there.')),
    bytes: maybe(count('Its size.', 1_048_576)),
    messages: maybe(count('Messages in it.', 4711)),
    deliveries: maybe(count('Deliveries in it.', 5120)),
    verifiedAt: maybe(time('When a restore of it was last tried and worked.')),
    error: maybe(text('What is wrong with it.', 'the target has no room')),
    isThere: flag('The file is where it should be.', true),
  },
  { title: 'Backup', description: 'A copy of everything, sealed.' },
)
export const BackupList = Type.Object(
  {
    items: Type.Array(Backup, { description: 'Newest first.' }),
    progress: maybe(
      Type.Object(
        {
          name: text(
            'Name of the backup.',
            'posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb',
          ),
          phase: text('What is being done.', 'copy'),
          done: count('So many bytes of it.', 1024),
          total: maybe(count('Of so many bytes, when that is known.', 4096)),
        },
        { description: 'Of the one that is being made.' },
      ),
    ),
  },
  { title: 'BackupList', description: 'What there is to restore from.' },
)
export const BackupStarted = Type.Object(
  { name: text('Its name.', 'posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb') },
  { title: 'BackupStarted', description: 'It is being made; look at the list.' },
)
export const BackupTrial = Type.Object(
  {
    ok: flag('It can be restored.', true),
    error: maybe(text('What is wrong with it.', 'the file is cut off')),
    messages: maybe(count('Messages in it.', 4711)),
    deliveries: maybe(count('Deliveries in it.', 5120)),
  },
  { title: 'BackupTrial', description: 'What came of trying to restore it.' },
)
export const RecoveryKey = Type.Object(
  {
    recoveryKey: text('Opens every backup of this installation. Keep it elsewhere.', 'ABCD-EFGH…'),
  },
  { title: 'RecoveryKey', description: 'What a restore on another machine asks for.' },
)
export const BackupParams = Type.Object(
  {
    name: input('Name of the backup.', 'posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb', {
      minLength: 1,
      maxLength: 128,
      pattern: '^[A-Za-z0-9._-]+$',
    }),
  },
  strict,
)
