/* docs/openapi.yaml and docs/API.md into the body of api/docs.html; runs where the page is built. */
import { readFileSync } from 'node:fs'
import { renderToStaticMarkup } from 'react-dom/server'
import { parse } from 'yaml'
import type { Document } from './openapi'
import { Reference } from './Reference'

export function renderReference(openapi: string, guide: string): string {
  const document = parse(readFileSync(openapi, 'utf8')) as Document
  return renderToStaticMarkup(<Reference document={document} guide={readFileSync(guide, 'utf8')} />)
}
