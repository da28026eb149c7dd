import { expect, test } from 'vitest'
import { recordingLog } from './log.ts'

test('keeps the lines of children with the fields of their parents, in order', () => {
  const log = recordingLog()
  log.info({ evt: 'a' }, 'first')
  log.child({ lane: 1 }).child({ host: 'mx' }).warn({ evt: 'b', lane: 2 }, 'second')
  expect(log.lines).toEqual([
    { level: 'info', fields: { evt: 'a' }, message: 'first' },
    { level: 'warn', fields: { lane: 2, host: 'mx', evt: 'b' }, message: 'second' },
  ])
  expect(log.of('b').map(({ message }) => message)).toEqual(['second'])
  log.clear()
  expect(log.lines).toEqual([])
})
