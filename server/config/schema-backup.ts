/** The boot settings of backups: when, where to, and which are kept. */
import Type from 'typebox'
import { backupSchedule, count, origin, path, section, text, yesNo } from './leaf.ts'

const kept = (description: string, value: number) =>
  count(description, { unit: 'backups', default: value, minimum: 0, maximum: 1_000 })

export const backup = section(
  'Backups: one encrypted file each, tried by a restore right after it was made.',
  {
    schedule: backupSchedule(
      'When to make one, in UTC. One that was missed is made at the next start.',
      'off',
    ),
    folder: Type.Optional(
      path(
        'Where backups are kept, best on another machine; not set: the folder backups in dataDir.',
      ),
    ),
    workFolder: Type.Optional(
      path(
        'Where a backup is made and tried: room for one copy of everything. Not set: inside dataDir.',
      ),
    ),
    s3: section('An S3-compatible store, used instead of the folder when a bucket is named.', {
      bucket: Type.Optional(
        Type.String({ description: 'Name of the bucket, which must exist.', minLength: 1 }),
      ),
      prefix: Type.Optional(
        Type.String({ description: 'What the names of all objects begin with.', minLength: 1 }),
      ),
      endpoint: Type.Optional(origin('Address of the store; not set: Amazon S3.')),
      region: text('Region of the bucket; many stores take any.', 'us-east-1'),
      pathStyle: yesNo(
        'Bucket in the path instead of in the host name, as most stores of one’s own want it.',
        false,
      ),
      accessKey: Type.Optional(
        Type.String({ description: 'Name of the access key.', minLength: 1 }),
      ),
      secretKey: Type.Optional(
        Type.String({
          description: 'The secret of the access key; best given as an environment variable.',
          minLength: 1,
          writeOnly: true,
        }),
      ),
    }),
    keep: section(
      'Which backups stay after a new one has proved itself; the others are deleted. All 0: none is ever deleted.',
      {
        last: kept('The newest, whatever their age.', 3),
        daily: kept('The newest of each of so many days.', 7),
        weekly: kept('The newest of each of so many weeks.', 5),
        monthly: kept('The newest of each of so many months.', 12),
      },
    ),
  },
)
