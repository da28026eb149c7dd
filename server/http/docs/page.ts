/** The reference of the API as one page, made from the OpenAPI document and the registry of errors. No script in it. */
import { ERROR_CODES } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import { statusOf } from '../errors.ts'
import { isObject, listAt, objectAt, textAt } from '../json.ts'
import type { Json } from '../json.ts'
import { escape, htmlPage, paragraphs, pre, prose } from './html.ts'
import { anchorOf, operationSection } from './operation.ts'
import type { Operation } from './operation.ts'
import { STYLE } from './style.ts'

interface Group {
  readonly name: string
  readonly description: string
  readonly operations: readonly Operation[]
}

/** `baseUrl` goes into the examples, without a trailing slash. */
export function referencePage(api: Json, baseUrl: string): string {
  const info = objectAt(api, 'info')
  const groups = groupsOf(api)
  return htmlPage({
    title: 'Posthorn API',
    style: STYLE,
    body: `<div class="layout">
${navigation(groups)}
<main>
<h1 id="start">${escape(textAt(info, 'title'))} API</h1>
<p class="type">Version ${escape(textAt(info, 'version'))} · <a href="/openapi.json">OpenAPI 3.1</a></p>
${paragraphs(textAt(info, 'description'))}
${firstRequest(baseUrl)}
${groups.map((group) => groupSection(api, group, baseUrl)).join('\n')}
${errorSection()}
</main>
</div>`,
  })
}

function groupsOf(api: Json): Group[] {
  const operations: Operation[] = Object.entries(objectAt(api, 'paths')).flatMap(([path, item]) =>
    Object.entries(isObject(item) ? item : {}).flatMap(([method, spec]) =>
      isObject(spec) ? { method, path, spec } : [],
    ),
  )
  return listAt(api, 'tags').flatMap((tag) => {
    if (!isObject(tag)) return []
    const name = textAt(tag, 'name')
    const own = operations.filter(({ spec }) => listAt(spec, 'tags').includes(name))
    return { name, description: textAt(tag, 'description'), operations: own }
  })
}

const link = (anchor: string, text: string): string =>
  `<li><a href="#${escape(anchor)}">${escape(text)}</a></li>`

const navigation = (groups: readonly Group[]): string => `<nav aria-label="Reference">
<strong>Posthorn</strong>
<ul>${link('start', 'Start')}${link('errors', 'Errors')}</ul>
${groups
  .map(
    ({ name, operations }) =>
      `<h4>${escape(name)}</h4>\n<ul>${operations
        .map((operation) => link(anchorOf(operation), textAt(operation.spec, 'summary')))
        .join('')}</ul>`,
  )
  .join('\n')}
</nav>`

const firstRequest = (baseUrl: string): string => `<h4>A first message</h4>
${pre(`curl ${baseUrl}/v1/messages \\
  -H "Authorization: Bearer $POSTHORN_KEY" \\
  -H 'Content-Type: application/json' \\
  -H 'Idempotency-Key: order-4711-receipt' \\
  -d '{"from":"orders@shop.example","to":"ada@example.com","subject":"Hi","text":"Hello."}'`)}`

const groupSection = (
  api: Json,
  group: Group,
  baseUrl: string,
): string => `<h2>${escape(group.name)}</h2>
<p>${prose(group.description)}</p>
${group.operations.map((operation) => operationSection(api, operation, baseUrl)).join('\n')}`

function errorSection(): string {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[]
  const rows = codes.map((code) => {
    const { kind, text } = ERROR_CODES[code]
    return `<tr id="${code}"><td><code>${code}</code></td><td>${statusOf({ code, kind })}</td><td>${prose(text)}</td></tr>`
  })
  return `<h2 id="errors">Errors</h2>
<p>Every refusal is <code>application/problem+json</code>. Decide by <code>code</code>: codes are never given another meaning.</p>
<div class="wide"><table><thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table></div>`
}
