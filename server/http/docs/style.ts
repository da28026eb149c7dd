/** The one style sheet of the pages, inlined and named by its hash in the content security policy. */
export const STYLE = `
:root {
  --paper: #fff; --raised: #f6f7f9; --line: #e1e4ea; --ink: #1b2130; --soft: #5a6478;
  --brand: #b4441c; --get: #0b6b5c; --post: #8a3b12; --code: #f3f4f7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12151c; --raised: #191d27; --line: #2b3140; --ink: #e7eaf1; --soft: #9aa5bb;
    --brand: #ff9a6b; --get: #4fd1b5; --post: #ffb085; --code: #1b202b;
  }
}
* { box-sizing: border-box }
html { scroll-padding-top: 1.5rem; scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
a { color: var(--brand); text-underline-offset: .2em }
:focus-visible { outline: 2px solid var(--brand); outline-offset: 2px; border-radius: 3px }
h1, h2, h3, h4 { line-height: 1.25; margin: 0 0 .5rem; text-wrap: balance }
h1 { font-size: 2rem; letter-spacing: -.02em }
h2 { font-size: 1.4rem; margin-top: 3.5rem; padding-bottom: .5rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1.15rem }
h4 { font-size: .8rem; margin: 1.5rem 0 .5rem; color: var(--soft); text-transform: uppercase; letter-spacing: .06em }
p { margin: 0 0 1rem; max-width: 68ch }
code, pre { font-family: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; font-size: .86em }
code { background: var(--code); padding: .1em .35em; border-radius: 4px; overflow-wrap: anywhere }
pre {
  margin: 0 0 1rem; padding: .9rem 1rem; background: var(--code); border: 1px solid var(--line);
  border-radius: 8px; overflow-x: auto; line-height: 1.5;
}
pre code { background: none; padding: 0; overflow-wrap: normal }
table { width: 100%; border-collapse: collapse; margin: 0 0 1rem; font-size: .93rem }
th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td:first-child { white-space: nowrap }
.wide { overflow-x: auto }
.type { color: var(--soft); font-size: .86rem }
.must { color: var(--brand); font-size: .8rem; font-weight: 600 }
.layout { display: grid; grid-template-columns: 16rem minmax(0, 1fr); max-width: 84rem; margin: 0 auto }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 2rem 1.5rem; border-right: 1px solid var(--line) }
nav strong { display: block; font-size: 1.1rem; margin-bottom: 1rem }
nav h4 { margin: 1.25rem 0 .25rem }
nav ul { list-style: none; margin: 0; padding: 0 }
nav li a { display: block; padding: .2rem 0; color: inherit; text-decoration: none; font-size: .92rem }
nav li a:hover { color: var(--brand) }
main { padding: 2.5rem clamp(1.25rem, 4vw, 3.5rem) 6rem; min-width: 0 }
.route { padding: 1.75rem 0 1rem; border-bottom: 1px solid var(--line) }
.path { display: flex; gap: .75rem; align-items: baseline; flex-wrap: wrap; margin-bottom: .75rem }
.path code { background: none; padding: 0; font-size: .95rem }
.verb { font: 700 .75rem/1 ui-monospace, monospace; letter-spacing: .05em; color: var(--get) }
.verb:not(.get) { color: var(--post) }
.answers { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.5rem }
details { margin: 0 0 1rem }
summary { cursor: pointer; color: var(--soft); font-size: .93rem }
details > .wide { margin: .75rem 0 0 1rem }
.card { max-width: 40rem; margin: 14vh auto; padding: 0 1.5rem }
.card ul { padding: 0; list-style: none; display: grid; gap: .75rem }
.card li { padding: 1rem 1.25rem; background: var(--raised); border: 1px solid var(--line); border-radius: 10px }
.card li a { font-weight: 600 }
.card li span { display: block; color: var(--soft); font-size: .93rem }
footer { margin-top: 3rem; color: var(--soft); font-size: .88rem }
@media (max-width: 60rem) {
  .layout { display: block }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); padding: 1.25rem }
  .answers { display: block }
}
@media print { nav { display: none } .layout { display: block } }
`
