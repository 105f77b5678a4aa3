/* The reference of the API as one page of plain HTML: drawn when the page is built, never in a browser.
 *
 * Each operation has its anchor (#startCall), so have schemas (#schema-Call), events (#event-seats) and problem
 * codes (#problem-wrong_state). */
import type { ReactNode } from 'react'
import { Logo } from '../ui/Logo'
import { curl, signIn } from './curl'
import type { Chapter } from './markdown'
import { chaptersOf, inline, markdown, partsOf } from './markdown'
import type { Document, Endpoint, Media, Response, Schema } from './openapi'
import { endpoints, examplesOf, follow, limits, rows, schemaName } from './openapi'

const Markdown = ({ text }: { text: string }) => (
  <div className="prose" dangerouslySetInnerHTML={{ __html: markdown(text) }} />
)
const Inline = ({ text }: { text: string }) => <span dangerouslySetInnerHTML={{ __html: inline(text) }} />

function Code({ children, title, lang }: { children: string; title?: string; lang?: string }) {
  return (
    <div className="code">
      {title ? <p className="code-title">{title}</p> : null}
      <pre data-lang={lang}>
        <code>{children}</code>
      </pre>
    </div>
  )
}

const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))

function Anchor({ id, label }: { id: string; label: string }) {
  return (
    <a className="anchor" href={`#${id}`} aria-label={`Link to ${label}`}>
      #
    </a>
  )
}

/** Where a named schema stands on the page. */
const placeOf = (name: string) =>
  ({ ServerEvent: '#messages-server', ClientMessage: '#messages-client' })[name] ?? `#schema-${name}`

/** "array of [Call]", "string or null". */
function Type({ schema }: { schema: Schema }): ReactNode {
  const name = schemaName(schema)
  if (name) return <a href={placeOf(name)}>{name}</a>
  if ('const' in schema) return <code>{JSON.stringify(schema.const)}</code>
  if (schema.oneOf)
    return schema.oneOf.map((one, n) => (
      <span key={n}>
        {n > 0 ? ' or ' : ''}
        <Type schema={one} />
      </span>
    ))
  if (schema.type === 'array' && schema.items)
    return (
      <>
        array of <Type schema={schema.items} />
      </>
    )
  if (schema.enum)
    return schema.enum.map((one, n) => (
      <span key={String(one)}>
        {n > 0 ? ' · ' : ''}
        <code>{String(one)}</code>
      </span>
    ))
  const words = [schema.type ?? 'object'].flat().join(' or ')
  return schema.format ? `${words} (${schema.format})` : words
}

function Fields({ document, schema, name }: { document: Document; schema: Schema; name: string }) {
  const list = rows(document, follow(document, schema))
  if (list.length === 0) return null
  return (
    <div className="table">
      <table aria-label={name}>
        <thead>
          <tr>
            <th scope="col">Member</th>
            <th scope="col">Type</th>
            <th scope="col">Meaning</th>
          </tr>
        </thead>
        <tbody>
          {list.map((row) => {
            const { description = '' } = row.schema.description ? row.schema : follow(document, row.schema)
            const bounds = limits(row.schema)
            return (
              <tr key={row.name}>
                <th scope="row">
                  <code>{row.name}</code>
                  {row.required ? null : <small>optional</small>}
                </th>
                <td>
                  <Type schema={row.schema} />
                  {bounds ? <small>{bounds}</small> : null}
                </td>
                <td>
                  <Inline text={description} />
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** The members of a body; of a named schema only where they are. */
function Body({ document, media, name }: { document: Document; media: Media; name: string }) {
  const { schema } = media
  if (!schema) return null
  const named = schemaName(schema)
  return named ? (
    <p>
      A <a href={placeOf(named)}>{named}</a>.
    </p>
  ) : (
    <Fields document={document} schema={schema} name={name} />
  )
}

const STATUS: Record<string, string> = {
  '101': 'Switching Protocols',
  '200': 'OK',
  '201': 'Created',
  '204': 'No Content',
}

function Answer({
  document,
  status,
  response,
  of,
}: {
  document: Document
  status: string
  response: Response
  of: string
}) {
  const bodies = Object.entries(response.content ?? {})
  return (
    <div className="answer">
      <p>
        <span className={`status status-${status[0]}`}>{status}</span> <b>{STATUS[status]}.</b>{' '}
        <Inline text={response.description ?? ''} />{' '}
        {bodies.map(([type]) => (
          <code key={type}>{type}</code>
        ))}
      </p>
      {Object.entries(response.headers ?? {}).map(([name, header]) => (
        <p key={name}>
          Header <code>{name}</code>: <Inline text={follow(document, header).description ?? ''} />
        </p>
      ))}
      {bodies.map(([type, media]) => (
        <Body
          key={type}
          document={document}
          media={media}
          name={`Members of the answer ${status} of ${of}`}
        />
      ))}
    </div>
  )
}

function Failure({ document, status, response }: { document: Document; status: string; response: Response }) {
  const media = Object.values(response.content ?? {})[0]
  const examples = Object.entries(media?.examples ?? {})
  return (
    <li>
      <details>
        <summary>
          <span className={`status status-${status[0]}`}>{status}</span>{' '}
          <Inline text={response.description ?? ''} />
        </summary>
        {examples.map(([code, example]) => (
          <div key={code}>
            {response['x-codes']?.[code] ? (
              <p>
                <Inline text={response['x-codes'][code]} />
              </p>
            ) : null}
            <p>
              <a href={`#problem-${code}`}>
                What <code>{code}</code> means
              </a>
            </p>
            <Code lang="json">{shown(follow(document, example).value)}</Code>
          </div>
        ))}
      </details>
    </li>
  )
}

const SIGN_IN = {
  needed: 'needed: bearer token or cookie',
  possible: 'possible, not needed',
  none: 'not needed',
}

function Facts({ endpoint }: { endpoint: Endpoint }) {
  const { operation } = endpoint
  return (
    <dl className="facts">
      <div>
        <dt>Who</dt>
        <dd>
          <Inline text={operation['x-who']} />
        </dd>
      </div>
      <div>
        <dt>Sign-in</dt>
        <dd>{SIGN_IN[signIn(endpoint)]}</dd>
      </div>
      {operation['x-limits'] ? (
        <div>
          <dt>Limits</dt>
          <dd>
            <Inline text={operation['x-limits']} />
          </dd>
        </div>
      ) : null}
    </dl>
  )
}

function Parameters({ endpoint }: { endpoint: Endpoint }) {
  if (endpoint.parameters.length === 0) return null
  return (
    <>
      <h4>Parameters</h4>
      <div className="table">
        <table aria-label={`Parameters of ${endpoint.operation.summary}`}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col">Meaning</th>
            </tr>
          </thead>
          <tbody>
            {endpoint.parameters.map((one) => (
              <tr key={one.name}>
                <th scope="row">
                  <code>{one.name}</code>
                  <small>
                    {one.in}
                    {one.required ? '' : ', optional'}
                  </small>
                </th>
                <td>
                  <Type schema={one.schema ?? {}} />
                  <small>{limits(one.schema ?? {})}</small>
                </td>
                <td>
                  <Inline text={one.description ?? ''} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

function OperationView({ document, endpoint }: { document: Document; endpoint: Endpoint }) {
  const { operation, method, path } = endpoint
  const { operationId: id, summary } = operation
  const responses = Object.entries(operation.responses).map(
    ([status, response]) => [status, follow(document, response)] as const,
  )
  const good = responses.filter(([status]) => status < '400')
  const bad = responses.filter(([status]) => status >= '400')
  const bodies = Object.entries(operation.requestBody?.content ?? {})
  return (
    <article id={id} aria-labelledby={`${id}-title`}>
      <div className="words">
        <h3 id={`${id}-title`}>
          {summary} <Anchor id={id} label={summary} />
        </h3>
        <p className="endpoint">
          <span className={`method method-${method}`}>{method.toUpperCase()}</span>
          <code>/api/v1{path}</code>
        </p>
        <Markdown text={operation.description} />
        <Facts endpoint={endpoint} />
        <Parameters endpoint={endpoint} />
        {bodies.length > 0 ? <h4>Body</h4> : null}
        {bodies.map(([type, media]) => (
          <div key={type}>
            <p>
              <code>{type}</code>
              {operation.requestBody?.required ? '' : ', optional'}
              {operation.requestBody?.description ? (
                <>
                  : <Inline text={operation.requestBody.description} />
                </>
              ) : null}
            </p>
            <Body document={document} media={media} name={`Members of the body of ${summary}`} />
          </div>
        ))}
        <h4>Answers</h4>
        {good.map(([status, response]) => (
          <Answer key={status} document={document} status={status} response={response} of={summary} />
        ))}
        <h4>Errors</h4>
        <ul className="failures">
          {bad.map(([status, response]) => (
            <Failure key={status} document={document} status={status} response={response} />
          ))}
        </ul>
      </div>
      <div className="examples">
        <Code
          title={id === 'openEvents' ? 'In a browser' : 'curl'}
          lang={id === 'openEvents' ? 'js' : 'bash'}
        >
          {curl(document, endpoint)}
        </Code>
        {bodies.flatMap(([type, media]) =>
          type === 'application/json' && bodies.length === 1
            ? [] // stands in the line above
            : examplesOf(document, media).map(({ summary: what, value }) => (
                <Code key={type + what} title={`Body, ${type}${what ? `: ${what}` : ''}`}>
                  {shown(value)}
                </Code>
              )),
        )}
        {good.flatMap(([status, response]) => {
          const media = Object.values(response.content ?? {})[0]
          if (!media)
            return [
              <p key={status} className="nothing">
                <span className="status status-2">{status}</span> has no body.
              </p>,
            ]
          return examplesOf(document, media).map(({ summary: what, value }) => (
            <Code key={status + what} title={`${status}${what ? `: ${what}` : ''}`} lang="json">
              {shown(value)}
            </Code>
          ))
        })}
      </div>
    </article>
  )
}

function MessageView({ document, schema, prefix }: { document: Document; schema: Schema; prefix: string }) {
  const { type } = schema.properties ?? {}
  const names = (type?.enum ?? [type?.const]).map(String)
  const title = names.join(', ')
  const id = `${prefix}-${names[0]}`
  return (
    <article id={id} aria-labelledby={`${id}-title`}>
      <div className="words">
        {names.slice(1).map((name) => (
          <span key={name} id={`${prefix}-${name}`} />
        ))}
        <h3 id={`${id}-title`}>
          <code>{title}</code> <Anchor id={id} label={title} />
        </h3>
        <Markdown text={schema.description ?? ''} />
        <Fields document={document} schema={schema} name={`Members of ${title}`} />
      </div>
      <div className="examples">
        {(schema.examples ?? []).map((value, n) => (
          <Code key={n} title={String((value as { type: string }).type)} lang="json">
            {shown(value)}
          </Code>
        ))}
      </div>
    </article>
  )
}

function SchemaView({ document, name, schema }: { document: Document; name: string; schema: Schema }) {
  const id = `schema-${name}`
  const bounds = limits(schema)
  const plain = !schema.properties && !schema.allOf
  return (
    <article id={id} aria-labelledby={`${id}-title`}>
      <div className="words">
        <h3 id={`${id}-title`}>
          {name} <Anchor id={id} label={name} />
        </h3>
        <Markdown text={schema.description ?? ''} />
        {plain ? (
          <p>
            <Type schema={schema} />
            {bounds ? `, ${bounds}` : ''}
            {schema.pattern ? (
              <>
                , like <code>{schema.pattern}</code>
              </>
            ) : null}
          </p>
        ) : null}
        <Fields document={document} schema={schema} name={`Members of ${name}`} />
      </div>
      {schema.examples ? (
        <div className="examples">
          {schema.examples.map((value, n) => (
            <Code key={n} title={name} lang="json">
              {shown(value)}
            </Code>
          ))}
        </div>
      ) : null}
    </article>
  )
}

interface Problem {
  code: string
  status: string
  meaning: string
}

/** The rows of the table of codes in the document's description, and the description without it. */
export function problemsOf(description: string): { problems: Problem[]; rest: string } {
  const problems: Problem[] = []
  const rest = description.replace(/^\| .*\|\n/gm, (line) => {
    const row = /^\| `(\w+)` \| (\d+) \| (.*) \|$/.exec(line.trim())
    if (row) problems.push({ code: row[1] ?? '', status: row[2] ?? '', meaning: row[3] ?? '' })
    return ''
  })
  return { problems, rest: rest.replace(/^\|[-|]+\|\n/gm, '') }
}

function Problems({ document, problems }: { document: Document; problems: Problem[] }) {
  return (
    <ul className="failures">
      {problems.map(({ code, status, meaning }) => {
        const example = document.components.examples[code]
        return (
          <li key={code} id={`problem-${code}`}>
            <details>
              <summary>
                <span className={`status status-${status[0]}`}>{status}</span> <code>{code}</code>{' '}
                <Inline text={meaning} />
              </summary>
              {example ? <Code lang="json">{shown(example.value)}</Code> : null}
            </details>
          </li>
        )
      })}
    </ul>
  )
}

interface Section {
  id: string
  title: string
  about?: string
  items: { id: string; title: string; method?: string }[]
  body: ReactNode
}

function sectionsOf(document: Document, guide: string): Section[] {
  const { problems, rest } = problemsOf(document.info.description)
  const parts = partsOf(rest)
  const story = chaptersOf(guide, 'guide-')
  const all = endpoints(document)
  const schemas = document.components.schemas
  const messagesOf = (name: string) => (schemas[name]?.oneOf ?? []).map((one) => follow(document, one))
  const typeOf = (schema: Schema) =>
    (schema.properties?.type?.enum ?? [schema.properties?.type?.const]).map(String)
  const chapter = ({ id, title, html }: Chapter) => (
    <section key={id} id={id} className="chapter">
      {title ? <h3>{title}</h3> : null}
      <div className="prose" dangerouslySetInnerHTML={{ __html: html }} />
      {id === 'errors' ? <Problems document={document} problems={problems} /> : null}
    </section>
  )
  const messages = (id: string, title: string, about: string, name: string, prefix: string): Section => ({
    id,
    title,
    about,
    items: messagesOf(name).flatMap((one) =>
      typeOf(one).map((type) => ({ id: `${prefix}-${type}`, title: type })),
    ),
    body: messagesOf(name).map((one) => (
      <MessageView key={typeOf(one)[0]} document={document} schema={one} prefix={prefix} />
    )),
  })
  const inMessages = new Set(
    ['ServerEvent', 'ClientMessage'].flatMap((name) => [
      name,
      ...(schemas[name]?.oneOf ?? []).map((one) => schemaName(one) ?? ''),
    ]),
  )
  const others = Object.entries(schemas).filter(([name]) => !inMessages.has(name))
  return [
    {
      id: 'basics',
      title: 'Basics',
      items: parts.filter((one) => one.title).map(({ id, title }) => ({ id, title })),
      body: parts.map(chapter),
    },
    {
      id: 'guide',
      title: story.title,
      items: story.chapters.map(({ id, title }) => ({ id, title })),
      body: [
        <div key="" className="prose chapter" dangerouslySetInnerHTML={{ __html: story.html }} />,
        ...story.chapters.map(chapter),
      ],
    },
    ...document.tags.map(({ name, description }): Section => {
      const mine = all.filter(({ operation }) => operation.tags.includes(name))
      return {
        id: `tag-${name}`,
        title: name[0]?.toUpperCase() + name.slice(1),
        about: description,
        items: mine.map(({ operation, method }) => ({
          id: operation.operationId,
          title: operation.summary,
          method,
        })),
        body: mine.map((one) => (
          <OperationView key={one.operation.operationId} document={document} endpoint={one} />
        )),
      }
    }),
    messages(
      'messages-server',
      'Server events',
      schemas.ServerEvent?.description ?? '',
      'ServerEvent',
      'event',
    ),
    messages(
      'messages-client',
      'Client messages',
      schemas.ClientMessage?.description ?? '',
      'ClientMessage',
      'send',
    ),
    {
      id: 'schemas',
      title: 'Schemas',
      about: 'Shapes that operations and events share.',
      items: others.map(([name]) => ({ id: `schema-${name}`, title: name })),
      body: others.map(([name, schema]) => (
        <SchemaView key={name} document={document} name={name} schema={schema} />
      )),
    },
  ]
}

export function Reference({ document, guide }: { document: Document; guide: string }) {
  const sections = sectionsOf(document, guide)
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <a className="home" href="/" aria-label="Parley">
          <Logo className="logo" />
        </a>
        <h1>
          {document.info.title} API <small>{document.info.version}</small>
        </h1>
        <button type="button" className="open-contents" popoverTarget="contents">
          Contents
        </button>
        <a className="raw" href="/api/v1/openapi.json">
          openapi.json
        </a>
      </header>
      <nav id="contents" aria-label="Contents" popover="auto">
        {sections.map(({ id, title, items }) => (
          <div key={id}>
            <a className="section-link" href={`#${id}`}>
              {title}
            </a>
            <ul>
              {items.map((item) => (
                <li key={item.id}>
                  <a href={`#${item.id}`}>
                    <span>{item.title}</span>
                    {item.method ? (
                      <span className={`method method-${item.method}`}>{item.method.toUpperCase()}</span>
                    ) : null}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        <p className="lead">{document.info.summary}</p>
        {sections.map(({ id, title, about, body }) => (
          <section key={id} id={id} aria-labelledby={`${id}-title`}>
            <h2 id={`${id}-title`}>
              {title} <Anchor id={id} label={title} />
            </h2>
            {about ? <Markdown text={about} /> : null}
            {body}
          </section>
        ))}
      </main>
    </>
  )
}
