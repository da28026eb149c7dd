/**
 * The patterns of rules: a small part of regular expressions that cannot take more than linear time, because replies
 * are written by strangers. Allowed are letters, classes, groups, alternatives, `\b \d \s \w`, and repeats with a bound.
 * Must never say of a text that it lacks a needle when the pattern could match it.
 */

interface Atom {
  /** A letter or sign; undefined for a class, a group or an edge (`^ $ \b`). */
  readonly literal: string | undefined
  readonly group: readonly Branch[] | undefined
  readonly least: number
  readonly most: number
}
type Branch = readonly Atom[]

/** In how many ways a pattern may be tried from one place of the text. */
const MAX_WAYS = 512
/** Shorter needles are in nearly every text. */
export const NEEDLE_LENGTH = 3

/** Why a pattern is refused, or undefined. */
export function patternProblem(pattern: string): string | undefined {
  const branches = parse(pattern)
  if (typeof branches === 'string') return branches
  try {
    if (new RegExp(pattern).test('')) return 'matches the empty text'
  } catch {
    return 'is not a regular expression'
  }
  return waysOf(branches) > MAX_WAYS ? 'can be tried in too many ways; shorten its gaps' : undefined
}

/**
 * Words of which a text must have at least one for the pattern to match; undefined when there is no such list. They let
 * most patterns be skipped without trying them.
 */
export function needlesOf(pattern: string): readonly string[] | undefined {
  const branches = parse(pattern)
  return typeof branches === 'string' ? undefined : needlesOfBranches(branches)
}

const ESCAPED_SIGN = /[.#[\](){}?*+|^$/-]/

/** One token, then maybe its repeat. */
const TOKEN =
  /(?<open>\((?:\?:)?)|(?<close>\))|(?<or>\|)|(?<edge>\^|\$|\\b)|(?<set>\[[^\]]{1,200}\]|\\[dsw]|\.)|\\(?<sign>.)|(?<plain>[^\\[\](){}?*+])/uy
const REPEAT = /\{(?:(?<from>\d{1,3}),)?(?<to>\d{1,3})\}|(?<maybe>\?)/y

/** The pattern as a tree, or what is wrong with it. */
function parse(pattern: string): readonly Branch[] | string {
  interface Level {
    readonly branches: Atom[][]
  }
  const stack: Level[] = [{ branches: [[]] }]
  let at = 0
  while (at < pattern.length) {
    TOKEN.lastIndex = at
    const token = TOKEN.exec(pattern)?.groups
    if (token === undefined)
      return /^[*+{]/.test(pattern.slice(at))
        ? 'has an unbounded repeat; use {0,n}'
        : `cannot be read at "${pattern.slice(at, at + 12)}"`
    at = TOKEN.lastIndex
    const level = stack.at(-1)!
    if (token['open'] !== undefined) {
      stack.push({ branches: [[]] })
      continue
    }
    if (token['or'] !== undefined) {
      level.branches.push([])
      continue
    }
    const literal = token['sign'] ?? token['plain']
    if (token['sign'] !== undefined && !ESCAPED_SIGN.test(token['sign']))
      return `has an escape that is not allowed: \\${token['sign']}`
    if (literal !== undefined && literal !== literal.toLowerCase())
      return 'has capitals; the text is in lower case'
    let group: readonly Branch[] | undefined
    if (token['close'] !== undefined) {
      if (stack.length === 1) return 'closes a group that is not open'
      group = level.branches
      stack.pop()
    }
    REPEAT.lastIndex = at
    const repeat = REPEAT.exec(pattern)?.groups
    if (repeat !== undefined) at = REPEAT.lastIndex
    const to = repeat?.['to'] === undefined ? 1 : Number(repeat['to'])
    const least = repeat?.['maybe'] === undefined ? Number(repeat?.['from'] ?? to) : 0
    stack.at(-1)!.branches.at(-1)!.push({ literal, group, least, most: to })
  }
  return stack.length === 1 ? stack[0]!.branches : 'leaves a group open'
}

/** Upper bound: repeats multiply, and of alternatives the worst counts, as they seldom begin alike. */
const waysOf = (branches: readonly Branch[]): number =>
  Math.max(
    ...branches.map((branch) => branch.reduce((product, atom) => product * waysOfAtom(atom), 1)),
  )

function waysOfAtom({ group, least, most }: Atom): number {
  const once = group === undefined ? 1 : waysOf(group)
  return once === 1 ? most - least + 1 : (once + (least === 0 ? 1 : 0)) ** most
}

/** Each alternative needs a list of its own; one without spoils the whole. */
function needlesOfBranches(branches: readonly Branch[]): readonly string[] | undefined {
  const lists = branches.map(needlesOfBranch)
  return lists.every((list) => list !== undefined) ? lists.flat() : undefined
}

/** Of the parts that must be there, the list with the fewest words. */
function needlesOfBranch(branch: Branch): readonly string[] | undefined {
  let best: readonly string[] | undefined
  const offer = (list: readonly string[] | undefined): void => {
    if (list === undefined || list.some((word) => word.length < NEEDLE_LENGTH)) return
    const better = best === undefined || list.length < best.length
    if (better || (list.length === 1 && list[0]!.length > best![0]!.length)) best = list
  }
  let word = ''
  for (const { literal, group, least, most } of branch) {
    if (literal !== undefined && least === 1 && most === 1) {
      word += literal
      continue
    }
    offer([word])
    word = ''
    if (group !== undefined && least > 0) offer(needlesOfBranches(group))
  }
  offer([word])
  return best
}
