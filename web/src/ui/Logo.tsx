export function Logo({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="9" fill="#2c7a4b" />
      <path
        d="M13 9.6A3.6 3.6 0 0 1 16.6 6h6.8A3.6 3.6 0 0 1 27 9.6v4.3a3.6 3.6 0 0 1-2 3.2v2.2c0 .6-.7.9-1.1.5L21.5 17.5h-4.9A3.6 3.6 0 0 1 13 13.9z"
        fill="#fff"
        opacity=".55"
      />
      <path
        d="M5 15.6A3.6 3.6 0 0 1 8.6 12h7.8a3.6 3.6 0 0 1 3.6 3.6v4.3a3.6 3.6 0 0 1-3.6 3.6h-4.9l-2.9 2.7c-.4.4-1.1.1-1.1-.5v-2.3A3.6 3.6 0 0 1 5 19.9z"
        fill="#fff"
      />
    </svg>
  )
}
