/**
 * Makes the text/plain part of a mail from its HTML. Input is hostile: it is never parsed to a tree, never executed,
 * and takes time linear in its length whatever it contains. Malformed markup is read roughly as a browser would;
 * what follows a tag, comment or script that never ends is dropped, as there.
 */
import { decodeEntities } from './html-entities.ts'

/** Elements that stand apart, and how: 1 on lines of their own, 2 with an empty line around. */
const BLOCKS: ReadonlyMap<string, 1 | 2> = new Map([
  ...(
    'address article aside body caption center dd div dt fieldset figcaption footer form header html li main nav ' +
    'section tbody tfoot thead tr'
  )
    .split(' ')
    .map((name) => [name, 1] as const),
  ...'blockquote dl figure h1 h2 h3 h4 h5 h6 ol p pre table ul'
    .split(' ')
    .map((name) => [name, 2] as const),
])
/** Their content is no text for readers, and markup inside is none. */
const DROPPED: ReadonlyMap<string, RegExp> = new Map(
  ['script', 'style', 'title', 'textarea', 'iframe', 'noembed', 'noframes', 'xmp'].map(
    (name) => [name, new RegExp(`</${name}(?=[\\s/>])`, 'gi')] as const,
  ),
)
const ATTRIBUTE = /([^\s=>"'/]+)\s*(?:=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]*)))?/g
/** Addresses that mean nothing in a plain text. */
const USELESS_LINK = /^(?:#|javascript:|vbscript:|data:|blob:|cid:|file:)/i
const MAX_INDENT = 8
const UNCOLLAPSED = /[\t\r\n\f]| {2}/
const PLAIN = /^[\t\n\f\x20-\x7e]*$/
const NOT_TEXT = /[\u00a0\0-\x08\x0b\x0e-\x1f\x7f]/g
/** Fill of hidden preview lines: soft hyphen, grapheme joiner, zero width space, byte order mark. */
const INVISIBLE = /\u00ad|\u034f|\u200b|\ufeff/g

/** Text of `html`, LF line ends, one at the end; an empty string when there is nothing to read. */
export function htmlToText(html: string): string {
  const writer = makeWriter()
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    writer.text(open < 0 ? html.slice(at) : html.slice(at, open))
    if (open < 0) break
    at = skipMarkup(html, open, writer)
  }
  return writer.finish()
}

/** Handles the markup that starts at `open`; returns where to go on. */
function skipMarkup(html: string, open: number, writer: Writer): number {
  const first = html.charCodeAt(open + 1)
  if (first === 33 /* ! */ || first === 63 /* ? */) {
    const isComment = html.startsWith('<!--', open)
    const end = isComment ? html.indexOf('-->', open + 2) : html.indexOf('>', open)
    return end < 0 ? html.length : end + (isComment ? 3 : 1)
  }
  const closing = first === 47 /* / */
  const nameStart = closing ? open + 2 : open + 1
  const nameEnd = endOfName(html, nameStart)
  if (nameEnd === nameStart) {
    writer.text('<')
    return open + 1
  }
  const end = endOfTag(html, nameEnd)
  if (end < 0) return html.length
  const name = html.slice(nameStart, Math.min(nameEnd, nameStart + 16)).toLowerCase()
  if (closing) {
    writer.close(name)
    return end + 1
  }
  const closer = DROPPED.get(name)
  if (closer === undefined) {
    writer.open(name, html.slice(nameEnd, end))
    return end + 1
  }
  closer.lastIndex = end
  return closer.exec(html)?.index ?? html.length
}

/** A tag name starts with a letter, else `<` is just a character. */
function endOfName(html: string, start: number): number {
  const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122
  if (!isLetter(html.charCodeAt(start))) return start
  let end = start
  // Up to white space, `/` or `>`; names with other characters exist (`o:p`) and mean nothing to us.
  for (; end < html.length; end++) {
    const code = html.charCodeAt(end)
    if (code <= 32 || code === 47 || code === 62) break
  }
  return end
}

/** Where the `>` of a tag is; one inside a quoted value does not count. -1 when the tag never ends. */
function endOfTag(html: string, from: number): number {
  let afterEquals = false
  for (let i = from; i < html.length; i++) {
    const code = html.charCodeAt(i)
    if (code === 62) return i
    if (afterEquals && (code === 34 || code === 39)) {
      i = html.indexOf(code === 34 ? '"' : "'", i + 1)
      if (i < 0) return -1
    }
    afterEquals = code === 61 || (afterEquals && code <= 32)
  }
  return -1
}

/** Value of an attribute in the inside of a tag, decoded; undefined without one. */
function attribute(tag: string, wanted: string): string | undefined {
  ATTRIBUTE.lastIndex = 0
  for (let found = ATTRIBUTE.exec(tag); found !== null; found = ATTRIBUTE.exec(tag)) {
    const [, name, double, single, bare] = found
    if (name?.toLowerCase() === wanted) return decodeEntities(double ?? single ?? bare ?? '')
  }
  return undefined
}

interface Writer {
  text(source: string): void
  open(name: string, attributes: string): void
  close(name: string): void
  finish(): string
}

function makeWriter(): Writer {
  const lines: string[] = []
  let line = ''
  /** Line ends to write before the next text. */
  let breaks = 0
  let space = false
  let marker = ''
  let pre = 0
  let link: { readonly url: string; text: string } | undefined
  const lists: { readonly ordered: boolean; items: number }[] = []

  function endLine(): void {
    const done = line.trimEnd()
    line = ''
    if (done !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(done)
  }

  function put(text: string): void {
    if (breaks > 0) {
      endLine()
      if (breaks > 1) endLine()
      breaks = 0
    } else if (space && line !== '') {
      line += ' '
      if (link !== undefined) link.text += ' '
    }
    space = false
    if (line === '' && (lists.length > 0 || marker !== '')) {
      const depth = Math.min(Math.max(lists.length, 1), MAX_INDENT)
      line = '  '.repeat(marker === '' ? depth : depth - 1) + marker
      marker = ''
    }
    line += text
    if (link !== undefined) link.text += text
  }

  function separate(count: number): void {
    breaks = Math.max(breaks, count)
    space = false
  }

  function separateBlock(name: string): void {
    const block = BLOCKS.get(name)
    if (block === undefined) return
    // A list inside a list stays close to its item.
    const nested = (name === 'ul' || name === 'ol') && lists.length > 0
    separate(nested ? 1 : block)
  }

  function preformatted(source: string): void {
    source.split(/\r\n|\r|\n/).forEach((part, i) => {
      if (i > 0) breaks = Math.min(breaks + 1, 2)
      if (part !== '') put(plain(part))
    })
  }

  function closeLink(): void {
    if (link === undefined) return
    const { url, text } = link
    link = undefined
    if (url === '' || sameAddress(url, text)) return
    if (text.trim() === '') {
      put(url)
      return
    }
    // The address goes right behind the words, whatever separates them from what comes next.
    const after = { breaks, space }
    breaks = 0
    space = true
    put(`(${url})`)
    breaks = after.breaks
    space = after.space
  }

  return {
    text(source) {
      if (source === '') return
      if (pre > 0) {
        preformatted(source)
        return
      }
      const collapsed = UNCOLLAPSED.test(source) ? source.replace(/[ \t\r\n\f]+/g, ' ') : source
      const from = collapsed.startsWith(' ') ? 1 : 0
      const to = collapsed.endsWith(' ') ? collapsed.length - 1 : collapsed.length
      if (from > 0) space = true
      const text = from < to ? plain(collapsed.slice(from, to)) : ''
      if (text !== '') put(text)
      if (to < collapsed.length) space = true
    },
    open(name, attributes) {
      separateBlock(name)
      switch (name) {
        case 'br':
          separate(Math.min(breaks + 1, 2))
          break
        case 'hr':
          separate(1)
          put('-'.repeat(40))
          separate(1)
          break
        case 'td':
        case 'th':
          space = true
          break
        case 'pre':
          pre++
          break
        case 'ul':
        case 'ol':
          lists.push({ ordered: name === 'ol', items: 0 })
          break
        case 'li': {
          const list = lists.at(-1)
          if (list !== undefined) list.items++
          marker = list?.ordered === true ? `${list.items}. ` : '- '
          break
        }
        case 'img': {
          const alt = attribute(attributes, 'alt')?.trim()
          if (alt !== undefined && alt !== '') put(plain(alt.replace(/\s+/g, ' ')))
          break
        }
        case 'a':
          closeLink()
          link = { url: linkTarget(attribute(attributes, 'href') ?? ''), text: '' }
      }
    },
    close(name) {
      if (name === 'a') closeLink()
      else if (name === 'pre') pre = Math.max(0, pre - 1)
      else if (name === 'ul' || name === 'ol') lists.pop()
      else if (name === 'td' || name === 'th') space = true
      separateBlock(name)
    },
    finish() {
      closeLink()
      endLine()
      const text = lines.join('\n').trimEnd()
      return text === '' ? '' : `${text}\n`
    },
  }
}

/** Characters of a text run: references decoded, fill removed, no-break spaces and controls made spaces. */
function plain(source: string): string {
  const text = decodeEntities(source)
  return PLAIN.test(text) ? text : text.replace(INVISIBLE, '').replace(NOT_TEXT, ' ')
}

/** What to show for an address: a mailbox without its scheme, nothing for what only works in HTML. */
function linkTarget(href: string): string {
  const url = href.replace(/[\0-\x20\x7f]/g, '')
  if (url.length > 2000 || USELESS_LINK.test(url)) return ''
  return /^mailto:/i.test(url) ? url.slice(7).split('?', 1)[0]! : url
}

/** The text of a link says its address already. */
function sameAddress(url: string, text: string): boolean {
  const bare = (address: string): string =>
    address
      .trim()
      .toLowerCase()
      .replace(/^https?:\/\/(?:www\.)?|^www\./, '')
      .replace(/\/$/, '')
  return bare(url) === bare(text)
}
