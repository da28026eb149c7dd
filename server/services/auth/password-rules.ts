/**
 * Which passwords are too easy to guess. Length counts, and what is left when everything predictable is taken out; no
 * rules about kinds of characters, which make passwords worse (NIST SP 800-63B §5.1.1.2).
 */
import { AppError } from '../../core/errors.ts'

export const MIN_CODE_POINTS = 12
export const MAX_CODE_POINTS = 256

/** The same password typed on another keyboard is the same: NFKC, as NIST SP 800-63B §5.1.1.2 advises. */
export const normalPassword = (text: string): string => text.normalize('NFKC')

export interface PasswordContext {
  /** At least this many code points. */
  readonly minLength?: number
  readonly email: string
  readonly name: string
}

/** Throws PASSWORD_WEAK with a public text that says what to do about it. */
export function checkPassword(text: string, context: PasswordContext): void {
  const reason = weaknessOf(text, context)
  if (reason !== undefined) throw new AppError('PASSWORD_WEAK', { public: reason })
}

function weaknessOf(text: string, context: PasswordContext): string | undefined {
  const minLength = context.minLength ?? MIN_CODE_POINTS
  const tooLong = `The password is too long: use at most ${MAX_CODE_POINTS} characters.`
  // In UTF-16 units first, so that nothing huge is normalised.
  if (text.length > 2 * MAX_CODE_POINTS) return tooLong
  const password = normalPassword(text).toLowerCase()
  const length = Array.from(password).length
  if (length > MAX_CODE_POINTS) return tooLong
  if (length < minLength)
    return `The password is too short: use at least ${minLength} characters. Several words make a good one.`
  const local = context.email.slice(0, context.email.lastIndexOf('@')).toLowerCase()
  if (local.length >= MIN_WORD && password.includes(local))
    return 'The password contains your address; choose something that others do not know.'
  if (!isSurprising(withoutPredictable(password, context.name)))
    return 'The password is made of common words, sequences or repetitions; add something that nobody would guess.'
  return undefined
}

/** Shorter words are parts of too many others. */
const MIN_WORD = 4

/** Words that lists of leaked passwords are full of, alone or with digits behind; longest first where one holds another. */
const COMMON_WORDS = [
  ...['correcthorsebatterystaple', 'administrator', 'superman', 'starwars', 'passphrase'],
  ...[
    'password',
    'passwort',
    'football',
    'baseball',
    'princess',
    'sunshine',
    'changeme',
    'trustno',
  ],
  ...['iloveyou', 'whatever', 'welcome', 'letmein', 'michael', 'charlie', 'freedom', 'batman'],
  ...['default', 'shadow', 'monkey', 'dragon', 'master', 'summer', 'winter', 'spring', 'autumn'],
  ...['secret', 'hello', 'login', 'admin', 'pokemon', 'google', 'access', 'posthorn', 'company'],
  ...['guest', 'azerty', 'qwertz', 'qwerty', 'test', 'root', 'user', 'pass', 'love'],
]

/** Runs along these, in either direction, are no surprise. */
const ROWS = [
  ...['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm'],
  ...['!@#$%^&*()', '1qaz', '2wsx', '3edc', '4rfv', '5tgb', '6yhn', '7ujm'],
]
const BOTH_WAYS = ROWS.flatMap((row) => [row, Array.from(row).reverse().join('')])
const MIN_RUN = 4

/** `p4$$w0rd` → `password`: one letter for one sign. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ '0': 'o', '1': 'i', '!': 'i', '3': 'e', '4': 'a', '@': 'a', '5': 's', $: 's', '7': 't' },
}

/** What is left of a lower-case password that a list or a pattern would not give. */
function withoutPredictable(password: string, name: string): string {
  const once = withoutRepeats(password)
  const plain = Array.from(withoutRuns(once), (sign) => PLAIN[sign] ?? sign).join('')
  const own = name.toLowerCase().split(/\s+/)
  return [...own.filter((word) => word.length >= MIN_WORD), ...COMMON_WORDS].reduce(
    (rest, word) => rest.replaceAll(word, ''),
    plain,
  )
}

/** `abcxyzabcxyz` → `abcxyz`, and three or more of the same sign become one. */
function withoutRepeats(text: string): string {
  // A text that is found again in itself, before its own length, is its beginning over and over.
  const period = (text + text).indexOf(text, 1)
  return text.slice(0, period).replaceAll(/(.)\1{2,}/gsu, '$1')
}

/** Takes out runs of four and more along the alphabet, the digits or a row of the keyboard. */
function withoutRuns(text: string): string {
  let rest = ''
  for (let at = 0; at < text.length;) {
    const length = runAt(text, at)
    if (length < MIN_RUN) rest += text[at++]!
    else at += length
  }
  return rest
}

function runAt(text: string, at: number): number {
  let longest = 0
  for (const row of BOTH_WAYS) {
    const from = row.indexOf(text[at]!)
    if (from < 0) continue
    let length = 1
    while (from + length < row.length && text[at + length] === row[from + length]) length++
    longest = Math.max(longest, length)
  }
  return longest
}

/** As much as the shortest password that is still a search for a machine. */
const LEFT_OVER = 8
const DIFFERENT = 4
const isSurprising = (rest: string): boolean =>
  Array.from(rest).length >= LEFT_OVER && new Set(rest).size >= DIFFERENT
