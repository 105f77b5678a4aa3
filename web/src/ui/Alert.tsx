import { TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'

export function Alert({ children }: { children: ReactNode }) {
  return (
    <div
      role="alert"
      className="flex animate-fade items-start gap-2.5 rounded-control bg-danger-tint px-3.5 py-3 text-sm text-danger-text"
    >
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <div>{children}</div>
    </div>
  )
}
