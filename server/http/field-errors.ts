/**
 * Checks requests against their schemas and tells what is wrong in the words of the request: one line per field.
 * Bodies are taken literally; only paths and queries, being text, are converted.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'
import { AppError } from '../core/errors.ts'
import type { FieldError } from '../core/errors.ts'

/** As Typebox (and any JSON Schema validator) reports it. */
interface Fault {
  readonly keyword: string
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema)
  const isText = httpPart !== 'body'
  return (value: unknown) => {
    const given = isText ? Value.Convert(schema, value) : value
    return validator.Check(given) ? { value: given } : { error: refusal(validator.Errors(given)) }
  }
}

/** BODY_INVALID with every field at fault, or FIELD_UNKNOWN when all that is wrong is a field that does not exist. */
export function refusal(faults: readonly Fault[]): AppError {
  const fields = fieldErrors(faults)
  const known = fields.filter(({ message }) => message !== UNKNOWN)
  const code = fields.length > 0 && known.length === 0 ? 'FIELD_UNKNOWN' : 'BODY_INVALID'
  return new AppError(code, { fields })
}

const UNKNOWN = 'does not exist'

function fieldErrors(faults: readonly Fault[]): FieldError[] {
  const byPath = new Map<string, Fault[]>()
  for (const fault of faults) {
    // `false` as a schema says the same as additionalProperties, in worse words.
    if (fault.keyword === 'boolean') continue
    const known = byPath.get(fault.instancePath)
    if (known === undefined) byPath.set(fault.instancePath, [fault])
    else known.push(fault)
  }
  const fields: FieldError[] = []
  for (const [path, found] of byPath) {
    const reasons = tellingOf(found)
    // An alternative that failed deeper down is told there: "to/1 must be string", not "to must be object".
    const isTold =
      reasons.every(isShape) && [...byPath.keys()].some((p) => p.startsWith(`${path}/`))
    if (!isTold) fields.push(...sayAll(path, reasons))
  }
  return fields
}

const isShape = ({ keyword }: Fault): boolean => keyword === 'type' || keyword === 'anyOf'

/** Of a value with alternatives, what the alternative says that fits its type. */
function tellingOf(faults: readonly Fault[]): readonly Fault[] {
  const telling = faults.filter((fault) => !isShape(fault))
  return telling.length > 0 ? telling : faults
}

function sayAll(path: string, faults: readonly Fault[]): FieldError[] {
  const types = faults.filter(({ keyword }) => keyword === 'type')
  if (types.length > 0) {
    const names = types.map(({ message }) => message.replace(/^must be (?:either )?/, ''))
    return [{ path: path.slice(1), message: `must be ${[...new Set(names)].join(' or ')}` }]
  }
  return faults.flatMap((fault) => {
    const unknown = namesIn(fault.params, 'additionalProperties')
    if (unknown.length > 0) return unknown.map((name) => at(path, name, UNKNOWN))
    const required = namesIn(fault.params, 'requiredProperties')
    if (required.length > 0) return required.map((name) => at(path, name, 'is required'))
    const allowed = namesIn(fault.params, 'allowedValues')
    if (allowed.length > 0)
      return [{ path: path.slice(1), message: `must be one of ${allowed.join(', ')}` }]
    const isTime = Reflect.get(fault.params, 'format') === 'date-time'
    const message = isTime ? 'must be a time such as 2030-01-01T09:00:00Z' : fault.message
    return [{ path: path.slice(1), message }]
  })
}

const at = (path: string, name: string, message: string): FieldError => ({
  path: `${path}/${name.slice(0, 100)}`.slice(1),
  message,
})

/** Names a validator lists in its parameters; at most a few, since the client wrote them. */
function namesIn(params: object, property: string): string[] {
  const value: unknown = Reflect.get(params, property)
  if (!Array.isArray(value)) return []
  return value.filter((item) => typeof item === 'string').slice(0, 16)
}
