/* What the reference reads of an OpenAPI 3.1 document. No full model of the standard: what docs/openapi.yaml uses. */
export interface Ref {
  $ref?: string
}
export interface Schema extends Ref {
  type?: string | string[]
  description?: string
  format?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  pattern?: string
  contentMediaType?: string
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  required?: string[]
  oneOf?: Schema[]
  allOf?: Schema[]
  examples?: unknown[]
}
export interface Example extends Ref {
  summary?: string
  value?: unknown
}
export interface Media {
  schema?: Schema
  example?: unknown
  examples?: Record<string, Example>
}
export interface Parameter extends Ref {
  name?: string
  in?: string
  required?: boolean
  description?: string
  schema?: Schema
  example?: unknown
}
export interface Header extends Ref {
  description?: string
  schema?: Schema
}
export interface Response extends Ref {
  description?: string
  /** When the operation answers with which code of this status. */
  'x-codes'?: Record<string, string>
  headers?: Record<string, Header>
  content?: Record<string, Media>
}
export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description: string
  'x-who': string
  'x-limits'?: string
  security?: Record<string, string[]>[]
  parameters?: Parameter[]
  requestBody?: { required?: boolean; description?: string; content: Record<string, Media> }
  responses: Record<string, Response>
}
export interface Document {
  info: { title: string; version: string; summary: string; description: string }
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, unknown>>
  components: {
    schemas: Record<string, Schema>
    examples: Record<string, Example>
    [kind: string]: Record<string, unknown>
  }
}
export interface Endpoint {
  method: string
  path: string
  parameters: Parameter[]
  operation: Operation
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'options']

export function follow<T extends Ref>(document: Document, node: T): T {
  let at: Ref = node
  while (at.$ref) {
    let found: unknown = document
    for (const key of at.$ref.slice(2).split('/'))
      found = (found as Record<string, unknown>)[key.replaceAll('~1', '/').replaceAll('~0', '~')]
    if (!found) throw new Error(`the document has no ${at.$ref}`)
    at = found as Ref
  }
  return at as T
}

export function endpoints(document: Document): Endpoint[] {
  return Object.entries(document.paths).flatMap(([path, item]) => {
    const shared = (item.parameters ?? []) as Parameter[]
    return METHODS.filter((method) => method in item).map((method) => {
      const operation = item[method] as Operation
      return {
        method,
        path,
        operation,
        parameters: [...shared, ...(operation.parameters ?? [])].map((one) => follow(document, one)),
      }
    })
  })
}

/** The values of a body's examples, each with what it shows. */
export function examplesOf(document: Document, media: Media): { summary: string; value: unknown }[] {
  if (media.examples)
    return Object.values(media.examples).map((example) => {
      const { summary = '', value } = follow(document, example)
      return { summary, value }
    })
  return 'example' in media ? [{ summary: '', value: media.example }] : []
}

/** "User" of "#/components/schemas/User". */
export function schemaName(schema: Schema): string | null {
  return schema.$ref?.match(/^#\/components\/schemas\/(\w+)$/)?.[1] ?? null
}

export interface Row {
  name: string
  schema: Schema
  required: boolean
}

/** The members of an object, those of inline objects below it as `outer.inner`; named schemas are not entered. */
export function rows(document: Document, schema: Schema, before = ''): Row[] {
  if (schema.allOf) return schema.allOf.flatMap((part) => rows(document, follow(document, part), before))
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const name = before + key
    const inner = value.type === 'array' && value.items && !value.items.$ref ? value.items : value
    const below = schemaName(value) ? [] : rows(document, inner, `${name}${inner === value ? '.' : '[].'}`)
    return [{ name, schema: value, required: schema.required?.includes(key) ?? false }, ...below]
  })
  const rest = schema.additionalProperties
  return typeof rest === 'object' ? [...own, { name: `${before}…`, schema: rest, required: false }] : own
}

/** What a value is, in words: "string, 1 to 64 characters". */
export function limits(schema: Schema): string {
  const words: string[] = []
  const unit = schema.items
    ? ' items'
    : schema.type === 'integer' || schema.type === 'number'
      ? ''
      : ' characters'
  const low = schema.minLength ?? schema.minItems ?? schema.minimum
  const high = schema.maxLength ?? schema.maxItems ?? schema.maximum
  if (low !== undefined && high !== undefined) words.push(`${low} to ${high}${unit}`)
  else if (low !== undefined) words.push(`at least ${low}${unit}`)
  else if (high !== undefined) words.push(`at most ${high}${unit}`)
  if (schema.default !== undefined) words.push(`${JSON.stringify(schema.default)} unless given`)
  return words.join(', ')
}
