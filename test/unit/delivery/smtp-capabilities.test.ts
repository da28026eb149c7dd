import { describe, expect, test } from 'vitest'
import { NO_CAPABILITIES, parseCapabilities } from '../../../server/delivery/smtp/capabilities.ts'
import type { Capabilities } from '../../../server/delivery/smtp/capabilities.ts'

describe('EHLO lines', () => {
  const says = (lines: readonly string[], expected: Partial<Capabilities>, reason: string): void =>
    test(reason, () =>
      expect(parseCapabilities(['mx.test hello', ...lines])).toEqual({
        ...NO_CAPABILITIES,
        ...expected,
      }),
    )

  says([], {}, 'nothing but a greeting')
  says(['PIPELINING'], { pipelining: true }, 'pipelining')
  says(['pipelining', '8bitmime'], { pipelining: true, eightBit: true }, 'case does not matter')
  says(['SIZE 1000'], { size: true, maxSize: 1000 }, 'a size limit')
  says(['SIZE'], { size: true }, 'size without limit')
  says(['SIZE 0'], { size: true }, 'RFC 1870: 0 means no fixed limit')
  says(['SIZE lots'], { size: true }, 'a malformed limit is no limit')
  says(['STARTTLS', 'CHUNKING', 'DSN'], { startTls: true, chunking: true, dsn: true }, 'keywords')
  says(
    ['SMTPUTF8', 'ENHANCEDSTATUSCODES'],
    { smtpUtf8: true, enhancedCodes: true },
    'more keywords',
  )
  says(['AUTH LOGIN plain'], { auth: ['LOGIN', 'PLAIN'] }, 'mechanisms')
  says(['AUTH=LOGIN'], { auth: ['LOGIN'] }, 'the old way to write AUTH')
  says(['LIMITS RCPTMAX=1 MAILMAX=5'], { rcptMax: 1, mailMax: 5 }, 'RFC 9422 limits')
  says(['LIMITS MAILMAX=0 FOO'], {}, 'a limit that makes no sense is none')
  says(['XCLIENT NAME', 'SIZEABLE 5', 'PIPELININGS'], {}, 'unknown keywords')

  test('the greeting line is no keyword', () => {
    expect(parseCapabilities(['STARTTLS'])).toEqual(NO_CAPABILITIES)
  })
})
