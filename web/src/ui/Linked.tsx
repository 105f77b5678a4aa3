import { pieces } from '../call/chat'

/** What somebody wrote, its links as links. Where they lead hears nothing of this page. */
export function Linked({ text, className }: { text: string; className: string }) {
  return pieces(text).map((piece, n) =>
    piece.href ? (
      <a key={n} href={piece.href} target="_blank" rel="noopener noreferrer" className={className}>
        {piece.text}
      </a>
    ) : (
      piece.text
    ),
  )
}
