/* Markdown of the document's descriptions and of docs/API.md, as HTML. Both are the project's own text. */
import { Marked } from 'marked'

export const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')

/** Files of docs/ that a server has at another address. */
const PLACES: Record<string, string> = { 'openapi.yaml': '/api/v1/openapi.json' }

function make(level: number, before: string) {
  return new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth, text }) {
        const tag = `h${Math.min(6, depth + level)}`
        return `<${tag} id="${before}${slug(text)}">${this.parser.parseInline(tokens)}</${tag}>\n`
      },
      link({ href, tokens }) {
        return `<a href="${PLACES[href] ?? href.replace(/^https:\/\/localhost:8443/, '')}">${this.parser.parseInline(tokens)}</a>`
      },
      code({ text, lang }) {
        const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
        return `<div class="code"><pre${lang ? ` data-lang="${lang}"` : ''}><code>${safe}</code></pre></div>\n`
      },
      table({ header, rows }) {
        const cell = (tag: string, tokens: (typeof header)[number]['tokens']) =>
          `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`
        const row = (tag: string, cells: typeof header) =>
          `<tr>${cells.map(({ tokens }) => cell(tag, tokens)).join('')}</tr>`
        return `<div class="table"><table><thead>${row('th', header)}</thead><tbody>${rows.map((one) => row('td', one)).join('')}</tbody></table></div>\n`
      },
    },
  })
}

const plain = make(2, '')

export const markdown = (text: string) => plain.parse(text, { async: false })
export const inline = (text: string) => plain.parseInline(text.trim(), { async: false })

export interface Chapter {
  id: string
  title: string
  html: string
}

/** The parts of a description: a paragraph that begins with bold words begins a part, and they are its title. */
export function partsOf(text: string): Chapter[] {
  const parts: { title: string; text: string }[] = [{ title: '', text: '' }]
  for (const { raw } of plain.lexer(text)) {
    const begins = /^\*\*(.+?)(\.?)\*\* /.exec(raw)
    if (begins) parts.push({ title: begins[1] ?? '', text: begins[2] ? raw.slice(begins[0].length) : raw })
    else (parts.at(-1) as { text: string }).text += raw
  }
  return parts
    .filter((part) => part.text.trim() !== '')
    .map((part) => ({ id: slug(part.title), title: part.title, html: markdown(part.text) }))
}

/** The chapters of a file: title and text of each second-level heading, and what comes before the first. */
export function chaptersOf(
  text: string,
  before: string,
): { title: string; html: string; chapters: Chapter[] } {
  const [head = '', ...rest] = text.split(/^## /m)
  const [title = '', ...lead] = head.replace(/^# /, '').split('\n')
  const deeper = make(1, before)
  return {
    title,
    html: deeper.parse(lead.join('\n'), { async: false }),
    chapters: rest.map((chapter) => {
      const end = chapter.indexOf('\n')
      const name = chapter.slice(0, end).trim()
      return {
        id: before + slug(name),
        title: name,
        html: deeper.parse(chapter.slice(end), { async: false }),
      }
    }),
  }
}
