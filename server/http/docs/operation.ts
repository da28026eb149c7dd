/** One operation of the API as a section of the reference: what it does, what it takes, what it answers. */
import { SESSION_COOKIE } from '../cookies.ts'
import { isObject, listAt, objectAt, textAt } from '../json.ts'
import type { Json } from '../json.ts'
import { escape, paragraphs, pre, prose } from './html.ts'
import { fieldsOf, resolve, typeOf } from './schema.ts'

export interface Operation {
  readonly method: string
  readonly path: string
  readonly spec: Json
}

export const anchorOf = ({ spec }: Operation): string => textAt(spec, 'operationId')

export function operationSection(api: Json, operation: Operation, baseUrl: string): string {
  const { method, path, spec } = operation
  return `<section class="route" id="${escape(anchorOf(operation))}">
<h3>${escape(textAt(spec, 'summary'))}</h3>
<div class="path"><span class="verb ${escape(method)}">${escape(method.toUpperCase())}</span><code>${escape(path)}</code></div>
${paragraphs(textAt(spec, 'description'))}
${parameterTable(api, spec)}
${bodySection(api, spec)}
<div class="answers">
<div><h4>Request</h4>
${pre(curlOf(api, operation, baseUrl))}</div>
<div>${answerExample(api, spec)}</div>
</div>
${answerTable(api, spec)}
</section>`
}

function parameterTable(api: Json, spec: Json): string {
  const rows = parametersOf(api, spec).map((parameter) =>
    row({
      name: textAt(parameter, 'name'),
      type: `${textAt(parameter, 'in')}, ${typeOf(api, parameter['schema'])}`,
      required: parameter['required'] === true,
      description: textAt(parameter, 'description'),
    }),
  )
  return rows.length === 0 ? '' : `<h4>Parameters</h4>\n${table(rows)}`
}

const parametersOf = (api: Json, spec: Json): Json[] =>
  listAt(spec, 'parameters').map((parameter) => resolve(api, parameter))

function bodySection(api: Json, spec: Json): string {
  const contents = Object.entries(objectAt(objectAt(spec, 'requestBody'), 'content'))
  return contents
    .map(([type, media]) => {
      const schema = isObject(media) ? media['schema'] : undefined
      const fields = fieldsOf(api, schema)
      const about = textAt(resolve(api, schema), 'description')
      return `<h4>Body <code>${escape(type)}</code></h4>
${about === '' ? '' : paragraphs(about)}
${fields === undefined ? '' : fieldTable(api, fields, 2)}`
    })
    .join('\n')
}

/** The fields of an object, and `depth` levels of what they hold, folded. */
function fieldTable(api: Json, schema: Json, depth: number): string {
  const required = new Set(listAt(schema, 'required'))
  const properties = Object.entries(objectAt(schema, 'properties'))
  const rows = properties.map(([name, child]) =>
    row({
      name,
      type: typeOf(api, child),
      required: required.has(name),
      description: textAt(resolve(api, child), 'description'),
    }),
  )
  // Keyed by the object, so that what five fields share is shown once.
  const inner = new Map<Json, string>()
  for (const [name, child] of depth > 0 ? properties : []) {
    const fields = fieldsOf(api, child)
    if (fields === undefined || inner.has(fields)) continue
    const label = `<code>${escape(textAt(fields, 'title') || name)}</code>`
    inner.set(
      fields,
      `<details><summary>Fields of ${label}</summary>${fieldTable(api, fields, depth - 1)}</details>`,
    )
  }
  return table(rows) + [...inner.values()].join('\n')
}

interface Row {
  readonly name: string
  readonly type: string
  readonly required: boolean
  readonly description: string
}
const row = ({ name, type, required, description }: Row): string =>
  `<tr><td><code>${escape(name)}</code></td><td><span class="type">${escape(type)}</span>${
    required ? ' <span class="must">required</span>' : ''
  }<br>${prose(description)}</td></tr>`
const table = (rows: readonly string[]): string =>
  `<div class="wide"><table><tbody>${rows.join('\n')}</tbody></table></div>`

function answerExample(api: Json, spec: Json): string {
  const [status, response] = firstAnswer(api, spec)
  const example = exampleOfContent(response)
  return `<h4>Answer ${escape(status)}</h4>\n${pre(example)}`
}

function firstAnswer(api: Json, spec: Json): [status: string, response: Json] {
  for (const [status, response] of Object.entries(objectAt(spec, 'responses')))
    if (status.startsWith('2')) return [status, resolve(api, response)]
  return ['', {}]
}

function exampleOfContent(node: Json): string {
  for (const media of Object.values(objectAt(node, 'content'))) {
    if (!isObject(media)) continue
    const { example } = media
    return typeof example === 'string' ? example : JSON.stringify(example, null, 2)
  }
  return ''
}

function answerTable(api: Json, spec: Json): string {
  const answers = Object.entries(objectAt(spec, 'responses'))
  const rows = answers.map(([status, node]) => {
    const response = resolve(api, node)
    return `<tr><td><code>${escape(status)}</code></td><td>${prose(textAt(response, 'description'))}</td></tr>`
  })
  const [, response] = firstAnswer(api, spec)
  const [media] = Object.values(objectAt(response, 'content'))
  const fields = isObject(media) ? fieldsOf(api, media['schema']) : undefined
  return `<details><summary>Answers${fields === undefined ? '' : ' and their fields'}</summary>${table(rows)}
${fields === undefined ? '' : fieldTable(api, fields, 3)}</details>`
}

/** A request to try: `curl` with the example of the body. */
function curlOf(api: Json, { method, path, spec }: Operation, baseUrl: string): string {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = parametersOf(api, spec).find((p) => p['name'] === name && p['in'] === 'path')
    return parameter === undefined ? name : textAt(parameter, 'example')
  })
  const lines = [`curl ${baseUrl}${url}`, ...proofOf(api, { method, path, spec }, baseUrl)]
  const [type, media] = Object.entries(objectAt(objectAt(spec, 'requestBody'), 'content'))[0] ?? []
  if (type !== undefined && isObject(media)) {
    const body = media['example']
    const text = typeof body === 'string' ? body : JSON.stringify(body, null, 2)
    if (method !== 'post') lines.push(`-X ${method.toUpperCase()}`)
    lines.push(`-H 'Content-Type: ${type}'`, `-d '${text.replace(/'/g, `'\\''`)}'`)
  } else if (method !== 'get') lines.push(`-X ${method.toUpperCase()}`)
  return lines.join(' \\\n  ')
}

/** Who the request comes from: a key where one will do, otherwise a session. */
function proofOf(api: Json, { method, spec }: Operation, baseUrl: string): string[] {
  const origin = `-H 'Origin: ${baseUrl}'`
  const ways = listAt(spec, 'security').filter(isObject)
  if (ways.some((way) => 'apiKey' in way)) return ['-H "Authorization: Bearer $POSTHORN_KEY"']
  if (ways.length > 0) {
    const cookie = `-b "${SESSION_COOKIE}=$POSTHORN_SESSION"`
    return method === 'get' ? [cookie] : [cookie, origin, '-H "Posthorn-Csrf: $POSTHORN_CSRF"']
  }
  return parametersOf(api, spec).some(({ name }) => name === 'Origin') ? [origin] : []
}
