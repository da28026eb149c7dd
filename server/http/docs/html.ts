/** The little HTML the pages need. Everything that is text goes through `escape`. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
export const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c)

/** Text with `code` in back quotes. */
export const prose = (text: string): string => escape(text).replace(/`([^`]+)`/g, '<code>$1</code>')

/** One paragraph for each block of text. */
export const paragraphs = (text: string): string =>
  text
    .split('\n\n')
    .map((block) => `<p>${prose(block)}</p>`)
    .join('\n')

export const pre = (text: string): string => `<pre tabindex="0"><code>${escape(text)}</code></pre>`

export interface Page {
  readonly title: string
  readonly style: string
  readonly body: string
}
export const htmlPage = ({ title, style, body }: Page): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>
`
