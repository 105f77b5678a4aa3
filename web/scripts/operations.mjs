/* Which operations docs/openapi.yaml describes, for the page to show only what the server can do: part of `npm run gen`. */
import { readFileSync, writeFileSync } from 'node:fs'

const yaml = readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8')
const names = []
let path = ''
for (const line of yaml.slice(yaml.indexOf('\npaths:'), yaml.indexOf('\ncomponents:')).split('\n')) {
  path = /^ {2}(\/\S*):$/.exec(line)?.[1] ?? path
  const method = /^ {4}(get|put|post|patch|delete):$/.exec(line)?.[1]
  if (method) names.push(`${method.toUpperCase()} ${path}`)
}
writeFileSync(
  new URL('../src/api/operations.gen.ts', import.meta.url),
  `export const operations: ReadonlySet<string> = new Set(${JSON.stringify(names, null, 2)})\n`,
)
