/** Passwords at rest: the same work for everybody, a bounded amount of it, and hashes that follow the parameters. */
import { hash as argon2Hash, parseOptions } from '@node-rs/argon2'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../../../server/core/errors.ts'
import { realRandom } from '../../../../server/ports.ts'
import { ARGON2, hashOfNobody, makePasswords } from '../../../../server/services/auth/password.ts'
import { checkPassword } from '../../../../server/services/auth/password-rules.ts'
import type { PasswordContext } from '../../../../server/services/auth/password-rules.ts'

const make = () => makePasswords({ random: realRandom })
/** What is said against a password; undefined when it is good enough. */
function complaint(text: string, context: PasswordContext): string | undefined {
  try {
    checkPassword(text, context)
    return undefined
  } catch (error) {
    if (error instanceof AppError && error.code === 'PASSWORD_WEAK') return error.public
    throw error
  }
}

const GOOD = 'seven wet herrings'

describe('verify', () => {
  test('knows the right password from a wrong one', async () => {
    const passwords = make()
    const hash = await passwords.hash(GOOD)
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=47104,t=2,p=1\$/)
    expect(await passwords.hash(GOOD)).not.toBe(hash)
    expect(await passwords.verify(hash, GOOD)).toEqual({ right: true, rehashed: undefined })
    expect((await passwords.verify(hash, 'seven wet herringS')).right).toBe(false)
    expect((await passwords.verify(hash, '')).right).toBe(false)
  })

  test.each([
    ['blåbærsyltetøj 7', 'blåbærsyltetøj 7', 'composed and decomposed'],
    ['ＦＵＬＬ ｗｉｄｔｈ ｋｅｙｓ', 'FULL width keys', 'another keyboard'],
  ])('%s is the same as %s: %s', async (one, other, _why) => {
    const passwords = make()
    expect((await passwords.verify(await passwords.hash(one.normalize('NFC')), other)).right).toBe(
      true,
    )
    expect((await passwords.verify(await passwords.hash(one.normalize('NFD')), other)).right).toBe(
      true,
    )
  })

  test('a hash of other parameters is made anew, but only for the right password', async () => {
    const passwords = make()
    const old = await argon2Hash(GOOD, { memoryCost: 19_456, timeCost: 2, parallelism: 1 })
    expect(await passwords.verify(old, 'wrong wrong wrong')).toEqual({
      right: false,
      rehashed: undefined,
    })
    const { right, rehashed } = await passwords.verify(old, GOOD)
    expect(right).toBe(true)
    expect(parseOptions(rehashed!)).toMatchObject(ARGON2)
    expect(await passwords.verify(rehashed, GOOD)).toEqual({ right: true, rehashed: undefined })
  })

  test('nobody can be an account that does not exist, with any password', async () => {
    const passwords = make()
    for (const text of ['', GOOD, 'x'.repeat(100_000)])
      expect((await passwords.verify(undefined, text)).right).toBe(false)
  })

  test('a password longer than any that was set is wrong, and not normalised', async () => {
    const passwords = make()
    // U+FDFA becomes 18 letters.
    const hash = await passwords.hash('\u{FDFA}'.repeat(256))
    expect((await passwords.verify(hash, '\u{FDFA}'.repeat(256))).right).toBe(true)
    expect((await passwords.verify(hash, '\u{FDFA}'.repeat(1_000_000))).right).toBe(false)
  })
})

describe('unknown and known accounts take the same time', () => {
  test('because the work is the same: parameters, salt and result of the same size', async () => {
    const nobody = parseOptions(hashOfNobody(realRandom))
    expect(nobody).toEqual(parseOptions(await make().hash(GOOD)))
    expect(nobody).toMatchObject(ARGON2)
  })

  test('and measured', async () => {
    const passwords = make()
    const hash = await passwords.hash(GOOD)
    const took = { known: [] as number[], unknown: [] as number[] }
    const time = async (which: 'known' | 'unknown'): Promise<void> => {
      const before = performance.now()
      await passwords.verify(which === 'known' ? hash : undefined, 'a wrong password')
      took[which].push(performance.now() - before)
    }
    // In turn, so that whatever else the machine does falls on both.
    for (let i = 0; i < 31; i++) {
      await time('known')
      await time('unknown')
    }
    const median = (times: number[]): number => times.sort((a, b) => a - b)[15]!
    const ratio = median(took.unknown) / median(took.known)
    // Without the work it would be below 0.01.
    expect(ratio).toBeGreaterThan(0.6)
    expect(ratio).toBeLessThan(1.6)
  }, 60_000)
})

describe('a crowd at the door', () => {
  test('two at a time, 64 in line, the rest is sent away before any work', async () => {
    const passwords = make()
    let most = 0
    const tries = Array.from({ length: 80 }, async () => {
      await passwords.verify(undefined, 'x')
      most = Math.max(most, passwords.load.running)
    })
    expect(passwords.load).toEqual({ running: 2, waiting: 64 })
    const refused = (await Promise.allSettled(tries)).flatMap((result) =>
      result.status === 'rejected' ? [result.reason as AppError] : [],
    )
    expect(refused).toHaveLength(14)
    for (const error of refused)
      expect(error).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 2_000 })
    expect(most).toBe(2)
    expect(passwords.load).toEqual({ running: 0, waiting: 0 })
  }, 60_000)

  test('a broken hash does not cost a place', async () => {
    const passwords = make()
    for (let i = 0; i < 5; i++) await expect(passwords.verify('$broken$', 'x')).rejects.toThrow()
    expect(passwords.load).toEqual({ running: 0, waiting: 0 })
  })
})

describe('which passwords are good enough', () => {
  const context = { email: 'ada.lovelace@example.com', name: 'Ada Lovelace' }

  test.each([
    ['seven wet herrings', 'several words'],
    ['k7#vR2m!Qx9z', 'twelve random signs'],
    ['839201746592', 'twelve random digits: no rules about kinds of characters'],
    ['zzzz kiwi tractor', 'one repetition among words'],
    ['my password is a heron', 'a common word among others'],
    ['жёлтый верблюд', 'any alphabet'],
    ['🦀🐙🦑🦐🐡🐠🐟🐬🐳🐋🦈🐊', 'twelve signs, though 24 units'],
    ['ada likes green tea', 'a name of three letters is part of too many words'],
    ['a'.repeat(122) + 'b c d e f' + ' wet herrings'.repeat(9), 'long'],
  ])('%j is: %s', (text, _why) => {
    expect(complaint(text, context)).toBeUndefined()
  })

  test.each([
    ['herrings', 'at least 12', 'short'],
    ['🦀🐙🦑🦐🐡🐠🐟🐬🐳🐋🦈', 'at least 12', 'eleven signs, though 22 units'],
    ['x y'.repeat(100), 'at most 256', 'long'],
    ['\u{FDFA}'.repeat(255), 'at most 256', 'long once normalised'],
    ['x'.repeat(10_000_000), 'at most 256', 'huge'],
    ['Ada.Lovelace 1815', 'contains your address', 'the local part in another case'],
    ['lovelace1815', 'made of common', 'their name and a year'],
    ['aaaaaaaaaaaa', 'made of common', 'one sign'],
    ['abababababab', 'made of common', 'two signs'],
    ['hunter7hunter7', 'made of common', 'a short word twice'],
    ['abcdefghijkl', 'made of common', 'the alphabet'],
    ['zyxwvutsrqpo', 'made of common', 'the alphabet backwards'],
    ['123456789012', 'made of common', 'digits in a row'],
    ['qwertyuiop12', 'made of common', 'a row of the keyboard'],
    ['1qaz2wsx3edc', 'made of common', 'columns of the keyboard'],
    ['Password2024!', 'made of common', 'a word, a year, a sign'],
    ['P@ssw0rd1234', 'made of common', 'letters as signs'],
    ['passwordpassword', 'made of common', 'a word twice'],
    ['welcome12345', 'made of common', 'a word and digits'],
    ['letmein!letmein!', 'made of common', 'the same with signs'],
    ['adminadmin123', 'made of common', 'a word twice, and digits'],
    ['Iloveyou12345', 'made of common', 'a sentence of the lists'],
    ['correcthorsebatterystaple', 'made of common', 'the one of the comic'],
    ['Posthorn2026', 'made of common', 'the name of the product'],
    ['ｐａｓｓｗｏｒｄ１２３４', 'made of common', 'wide letters'],
  ])('%j is not: %s', (text, said, _why) => {
    expect(complaint(text, context)).toContain(said)
  })

  test('the least length is the installation’s', () => {
    expect(complaint('k7#vR2m!', { ...context, minLength: 8 })).toBeUndefined()
    expect(complaint('seven wet herrings', { ...context, minLength: 20 })).toContain('at least 20')
  })

  test('a password made to be slow is looked at as fast as any', () => {
    const before = performance.now()
    for (const piece of ['password', 'pass', 'a', 'ab', '\u{FDFA}', 'qwerty'])
      expect(complaint(piece.repeat(512 / piece.length), context)).toBeDefined()
    expect(performance.now() - before).toBeLessThan(500)
  })
})
