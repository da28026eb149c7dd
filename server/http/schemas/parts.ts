/** What schemas are put together from. Everything carries a description and an example: the reference is made of them. */
import Type from 'typebox'
import type { TSchema } from 'typebox'
import type { ListName } from '../../store/read/cursor.ts'
import { exampleCursor } from './query.ts'

/** For bodies, queries and paths: a field that does not exist is a mistake of the client's. */
export const strict = { additionalProperties: false } as const

export const text = (description: string, example: string) =>
  Type.String({ description, examples: [example] })
/** Of a request: bounded. */
export const input = (
  description: string,
  example: string,
  bounds: { readonly maxLength: number; readonly minLength?: number; readonly pattern?: string },
) => Type.String({ ...bounds, description, examples: [example] })
export const count = (description: string, example: number) =>
  Type.Integer({ description, examples: [example] })
export const flag = (description: string, example = false) =>
  Type.Boolean({ description, examples: [example] })
export const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-01-01T09:00:00.000Z'] })
export const oneOf = <const T extends string>(
  values: readonly T[],
  description: string,
  example: T,
) => Type.Enum([...values], { type: 'string', description, examples: [example] })
export const maybe = Type.Optional
export const nextOf = (description: string, example: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], description, examples: [example] })
export const strings = (description: string, example: string) =>
  Type.Array(Type.String(), { description, examples: [[example]] })
export const facts = (description: string, example: Record<string, unknown>) =>
  Type.Unsafe<Record<string, unknown>>({
    type: 'object',
    additionalProperties: true,
    description,
    examples: [example],
  })
/** Any JSON, such as what a setting was before. */
export const anything = (description: string, example: unknown) =>
  Type.Unsafe<unknown>({ description, examples: [example] })

export const pageOf = <T extends TSchema>(
  item: T,
  title: string,
  {
    list,
    next = 'Where the next page starts; null at the end.',
  }: { list: ListName; next?: string },
) =>
  Type.Object(
    {
      items: Type.Array(item, { description: 'This page; it may be empty before the end.' }),
      nextCursor: nextOf(next, exampleCursor(list)),
    },
    { title, description: 'One page of a list.' },
  )
/** 204: there is nothing to say. */
export const Done = Type.Null({ description: 'Done.' })

/** A list that is always whole. */
export const listOf = <T extends TSchema>(item: T, title: string) =>
  Type.Object(
    { items: Type.Array(item, { description: 'All of them.' }) },
    { title, description: 'A whole list.' },
  )
