/* The command line of a call, from its examples. */
import type { Document, Endpoint } from './openapi'
import { examplesOf } from './openapi'

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

function fill(endpoint: Endpoint): string {
  const value = (name: string) => String(endpoint.parameters.find((one) => one.name === name)?.example ?? '')
  const path = endpoint.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(value(name)))
  const query = endpoint.parameters
    .filter((one) => one.in === 'query')
    .map((one) => `${one.name}=${encodeURIComponent(String(one.example))}`)
  return path + (query.length > 0 ? `?${query.join('&')}` : '')
}

/** Needs a sign-in, can do with one, or has no use for it. */
export function signIn({ operation: { security } }: Endpoint): 'needed' | 'possible' | 'none' {
  if (!security) return 'needed'
  if (security.length === 0) return 'none'
  return security.some((one) => Object.keys(one).length === 0) ? 'possible' : 'needed'
}

export function curl(document: Document, endpoint: Endpoint): string {
  if (endpoint.operation.operationId === 'openEvents')
    return `const url = 'wss://parley.example.org/api/v1/events'
const events = new WebSocket(url, ['parley.v1', \`bearer.\${token}\`])
events.onmessage = ({ data }) => console.log(JSON.parse(data))`
  const method = endpoint.method.toUpperCase()
  const body = Object.entries(endpoint.operation.requestBody?.content ?? {})[0]
  const parts = [`curl${method === 'GET' ? '' : ` -X ${method}`} "$PARLEY${fill(endpoint)}"`]
  if (signIn(endpoint) !== 'none') parts.push('-H "Authorization: Bearer $TOKEN"')
  if (body) {
    const [type, media] = body
    const value = examplesOf(document, media)[0]?.value
    parts.push(`-H 'Content-Type: ${type}'`)
    if (type === 'application/json') parts.push(`-d ${quoted(JSON.stringify(value, null, 2))}`)
    else
      parts.push(
        `--data-binary @${type === 'application/sdp' ? 'offer.sdp' : `picture.${type.split('/')[1]}`}`,
      )
  }
  return parts.join(' \\\n  ')
}
