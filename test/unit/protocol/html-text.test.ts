import { expect, test } from 'vitest'
import { decodeEntities } from '../../../server/protocol/html-entities.ts'
import { htmlToText } from '../../../server/protocol/html-text.ts'

test.each<[reason: string, html: string, text: string]>([
  ['nothing', '', ''],
  ['no words', '<div> \n <br></div>', ''],
  ['text without markup', 'Hello  \n Bob', 'Hello Bob\n'],
  ['inline elements join', 'a<b>b</b><i> c</i>', 'ab c\n'],
  ['white space collapses over elements', 'a <b> b</b>', 'a b\n'],
  ['paragraphs stand apart', '<p>a</p><p>b</p>', 'a\n\nb\n'],
  ['divisions start lines', '<div>a</div><div>b<div>c</div></div>d', 'a\nb\nc\nd\n'],
  ['line breaks', 'a<br>b<br/>c<br><br>d<br><br><br><br>e', 'a\nb\nc\n\nd\n\ne\n'],
  ['headings', '<h1>A</h1>text<h2>B</h2>', 'A\n\ntext\n\nB\n'],
  ['rule', 'a<hr>b', `a\n${'-'.repeat(40)}\nb\n`],
  ['list', '<ul><li>a<li>b</ul>after', '- a\n- b\n\nafter\n'],
  ['numbered list', '<ol><li>a</li><li>b</li></ol>', '1. a\n2. b\n'],
  ['list in a list', '<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>', '- a\n  1. b\n- c\n'],
  ['second line of an item', '<ul><li>a<br>b</li></ul>', '- a\n  b\n'],
  ['item without a list', '<li>a', '- a\n'],
  [
    'table',
    '<table><tr><th>Item<th>Price</tr><tr><td>Tea</td><td>2 €</td></tr></table>',
    'Item Price\nTea 2 €\n',
  ],
  ['layout table', '<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>', 'a\n\nb\n'],
  ['preformatted', '<pre>a\n  b\n\n\nc</pre>d', 'a\n  b\n\nc\n\nd\n'],
  [
    'link',
    'see <a href="https://a.test/x?a=1&amp;b=2">this</a>.',
    'see this (https://a.test/x?a=1&b=2).\n',
  ],
  ['link that shows its address', '<a href="https://www.a.test/">a.test</a>', 'a.test\n'],
  [
    'link around an image',
    '<a href="https://a.test"><img src="x" alt="Shop"></a>',
    'Shop (https://a.test)\n',
  ],
  ['link without words', '<a href="https://a.test"><img src="x"></a>', 'https://a.test\n'],
  ['link within the page', '<a href="#top">up</a>', 'up\n'],
  ['script link', '<a href=" java\nscript:alert(1)">x</a>', 'x\n'],
  [
    'mail link',
    '<a href="mailto:a@a.test?subject=x">write</a> <a href=mailto:b@a.test>b@a.test</a>',
    'write (a@a.test) b@a.test\n',
  ],
  ['placeholder link', '<a href="{{unsubscribe}}">out</a>', 'out ({{unsubscribe}})\n'],
  [
    'link that is not closed',
    '<a href="https://a.test/1">a <a href="https://a.test/2">b',
    'a (https://a.test/1) b (https://a.test/2)\n',
  ],
  ['link around a block', '<a href="https://a.test"><div>a</div></a>b', 'a (https://a.test)\nb\n'],
  ['space at the end of a link', '<a href="https://a.test">a </a>b', 'a (https://a.test) b\n'],
  ['anchor without an address', '<a name="x">a</a>', 'a\n'],
  ['image', 'a <img alt="two  words"> b', 'a two words b\n'],
  [
    'references',
    '&lt;b&gt; &amp;amp; &eacute;&#233;&#xE9; &euro; &hellip; &unknown; &',
    '<b> &amp; ééé € … &unknown; &\n',
  ],
  ['no-break space', 'a&nbsp;&nbsp;b', 'a  b\n'],
  ['fill of a preview line', 'Sale!&#847;&shy;&#8203;\ufeff', 'Sale!\n'],
  ['script', 'a<script>if (a < b) document.write("<p>x")</script>b', 'ab\n'],
  ['script in capitals', 'a<SCRIPT src=x>x</Script >b', 'ab\n'],
  ['style and title', '<head><title>T</title><style>p > a {}</style></head><p>a', 'a\n'],
  ['comment', 'a<!-- x > <p> -- y -->b<!-->c', 'abc\n'],
  ['conditional comments', '<!--[if mso]><p>x</p><![endif]-->a<![if !mso]>b<![endif]>', 'ab\n'],
  ['doctype and processing instruction', '<!doctype html><?xml version="1"?>a', 'a\n'],
  ['a less-than sign', 'a < b <3 <', 'a < b <3 <\n'],
  ['a greater-than sign in a value', '<p title="a>b">c', 'c\n'],
  ['a quote outside of a value', "<p don't>a", 'a\n'],
  ['attributes without quotes', '<a href=https://a.test/x>y</a>', 'y (https://a.test/x)\n'],
  [
    'name of another attribute',
    '<a data-href="https://b.test" HREF = \'https://a.test/x\'>y</a>',
    'y (https://a.test/x)\n',
  ],
  ['unknown elements', '<o:p>a</o:p><my-card>b</my-card>', 'ab\n'],
  ['a tag that never ends', 'a<p class="', 'a\n'],
  ['a comment that never ends', 'a<!-- b', 'a\n'],
  ['a script that never ends', 'a<script>b</scrip', 'a\n'],
  ['end tags without start', '</p></ul></a></pre>a', 'a\n'],
  ['controls', 'a\0b&#0;c&#27;d', 'a b c d\n'],
])('%s', (_reason, html, text) => {
  expect(htmlToText(html)).toBe(text)
})

test.each<[reason: string, source: string, text: string]>([
  ['windows-1252 by number', '&#150;&#x92;', '–’'],
  ['an unassigned one', '&#129;', '\ufffd'],
  ['beyond Unicode', '&#x110000;&#9999999;', '\ufffd\ufffd'],
  ['half of a pair', '&#xD83D;', '\ufffd'],
  ['an astral character', '&#x1F600;', '😀'],
  ['case matters in names', '&Auml;&auml;&AUML;', 'Ää&AUML;'],
  ['a semicolon is asked for', '?a=1&copy=2', '?a=1&copy=2'],
  ['decoded once', '&amp;lt;', '&lt;'],
])('references: %s', (_reason, source, text) => {
  expect(decodeEntities(source)).toBe(text)
})
