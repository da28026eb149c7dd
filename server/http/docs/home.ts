/** The page at `/`: what answers here and where to go. */
import { escape, htmlPage } from './html.ts'
import { STYLE } from './style.ts'

const LINKS = [
  { href: '/docs', name: 'API reference', text: 'Every request and answer, with examples.' },
  { href: '/openapi.json', name: 'OpenAPI 3.1', text: 'The same for programs.' },
  { href: '/readyz', name: 'Readiness', text: 'Whether mail can be accepted at this moment.' },
]

export const homePage = (version: string): string =>
  htmlPage({
    title: 'Posthorn',
    style: STYLE,
    body: `<main class="card">
<h1>Posthorn</h1>
<p>A mail server for applications: it takes mail over SMTP and HTTP, keeps it safe, and gets it delivered.</p>
<ul>
${LINKS.map(({ href, name, text }) => `<li><a href="${href}">${escape(name)}</a><span>${escape(text)}</span></li>`).join('\n')}
</ul>
<footer>Version ${escape(version)}</footer>
</main>`,
  })
