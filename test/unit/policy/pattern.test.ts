import { describe, expect, test } from 'vitest'
import { RULES } from '../../../server/policy/classify.ts'
import { needlesOf, patternProblem } from '../../../server/policy/pattern.ts'

describe('a pattern must take linear time', () => {
  test.each([
    ['a.*b', 'unbounded gap'],
    ['(a+)+b', 'nested repeats'],
    ['a{2,}b', 'open bound'],
    ['(a|ab){0,50}(a|ab){0,50}c', 'product of bounds'],
    ['(?:a.{0,9}b){3}', 'a gap that is repeated'],
    ['a(?=b)', 'look-ahead'],
    ['(?<x>a)', 'named group'],
    ['(a)\\1', 'back-reference'],
    ['a\\x41', 'escape of no use here'],
    ['Unknown', 'capitals never match the lowered text'],
    ['a?', 'matches everything'],
    ['a|', 'an empty alternative matches everything'],
    ['a(b', 'open group'],
    ['a)b', 'group that was not opened'],
    ['a[b', 'open class'],
    ['a{2,1}b', 'bounds the wrong way round'],
  ])('%s is refused: %s', (pattern) => {
    expect(patternProblem(pattern)).toBeDefined()
  })

  test.each([
    ['user .{0,60}unknown', 'bounded gap'],
    ['\\bptr\\b|\\[tss0[1-5]\\]', 'classes and escapes'],
    ['a.{0,90}b|c.{0,90}d', 'bounds of different alternatives do not multiply'],
    ['(?:not )?(?:here|there)', 'optional word'],
    ['postfach.{0,30}überfüllt', 'other letters'],
  ])('%s is fine: %s', (pattern) => {
    expect(patternProblem(pattern)).toBeUndefined()
  })
})

describe('the needles of a pattern', () => {
  test.each<[string, readonly string[] | undefined, string]>([
    ['mailbox full', ['mailbox full'], 'a word'],
    ['abc|xyz', ['abc', 'xyz'], 'one for each alternative'],
    ['no such (?:user|mailbox)', ['no such '], 'the fewest that do'],
    ['(?:user|mailbox).{0,9}unknown', ['unknown'], 'whichever part must be there'],
    ['(?:user|mailbox) ?', ['user', 'mailbox'], 'of a group'],
    ['\\bptr\\b', ['ptr'], 'edges are no letters'],
    ['\\[tss0[1-5]\\]', ['[tss0'], 'signs are letters, classes are not'],
    ['unknowns?', ['unknown'], 'a letter that may be missing is left out'],
    ['(?:very )?long', ['long'], 'a word that may be missing is left out'],
    ['(?:abc){2}', ['abc'], 'a group that is repeated is there once at least'],
    ['abc|.x', undefined, 'an alternative without any spoils the list'],
    ['(?:abc|x)de', undefined, 'too short'],
    ['ab', undefined, 'too short'],
  ])('%s → %j: %s', (pattern, expected) => {
    expect(needlesOf(pattern)).toEqual(expected)
  })

  test('most of the shipped patterns have some', () => {
    const patterns = RULES.flatMap((rule) => (rule.pattern === undefined ? [] : [rule.pattern]))
    const without = patterns.filter((pattern) => needlesOf(pattern) === undefined)
    expect(without.length / patterns.length).toBeLessThan(0.2)
  })
})
