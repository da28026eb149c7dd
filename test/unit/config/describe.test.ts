import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Type from 'typebox'
import { expect, test } from 'vitest'
import {
  configJsonSchema,
  exampleConfig,
  generatedConfigFiles,
  settingsText,
} from '../../../server/config/describe.ts'
import { annotation, FIELDS, SETTABLE, textAnnotation } from '../../../server/config/fields.ts'
import { loadConfig } from '../../../server/config/load.ts'
import { markdownTable } from '../../../server/config/markdown.ts'

const root = join(import.meta.dirname, '../../..')
const load = (text: string | undefined) =>
  loadConfig({
    file: text === undefined ? undefined : { name: 'config.json', text },
    env: {},
    flags: {},
    hostname: 'box.example',
  })

test('the example loads, and means the same as no file at all', () => {
  expect(load(JSON.stringify(exampleConfig()))).toEqual(load(undefined))
})

test.each(Object.entries(generatedConfigFiles()))('%s is up to date', (path, text) => {
  expect(readFileSync(join(root, path), 'utf8')).toBe(text)
})

test.each(FIELDS.map((field) => [field.path, field] as const))('%s is documented', (_, field) => {
  const { schema } = field
  expect(textAnnotation(schema, 'description')).toMatch(/^\S.*\.$/)
  if (Type.IsInteger(schema) || Type.IsNumber(schema)) {
    expect(textAnnotation(schema, 'unit')).toBeDefined()
  }
  // Either there is a default, or it may stay unset, or the loader knows it.
  const isSettled = annotation(schema, 'default') !== undefined || Type.IsOptional(schema)
  expect(isSettled || field.path === 'hostname').toBe(true)
})

test('every setting has a variable of its own', () => {
  const names = SETTABLE.map(({ env }) => env)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toContain('POSTHORN_DELIVERY_ALLOW_PRIVATE_NETWORKS')
})

test('the text of one section has that section only', () => {
  const text = settingsText('log') ?? ''
  expect(text).toContain('log.level  (debug or info or warn or error or silent; default: info)')
  expect(text).toContain('POSTHORN_LOG_LEVEL')
  expect(text).not.toContain('dns.')
  expect(settingsText('submission.listeners')).toContain('submission.listeners[].tls')
  expect(settingsText('lo')).toBeUndefined()
})

test('the JSON Schema is plain data, and requires nothing', () => {
  const schema = configJsonSchema()
  expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  expect(schema).toHaveProperty('properties.http.properties.listen.default', '127.0.0.1:8080')
  expect(schema).toHaveProperty('properties.redis.properties.url.writeOnly', true)
  expect(JSON.stringify(schema)).not.toContain('~')
  expect(JSON.stringify(schema)).not.toMatch(/"required":\["/)
})

test('a table is padded, and a pipe does not end a cell', () => {
  expect(markdownTable(['a', 'long'], [['x|y', '1']])).toBe(
    ['| a    | long |', '| ---- | ---- |', '| x\\|y | 1    |'].join('\n'),
  )
})
