/* Completes package-lock.json after `npm install`: `npm run lock`.
 *
 * Native tools come as one optional package per platform. A registry mirror that carries only some platforms makes
 * npm leave the others out of the lock file, and then `npm ci` calls the lock incomplete, on every platform. The
 * missing ones are written here from what their parents say; npm skips those of other platforms unread. */
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))

const OS = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openharmony',
  'win32',
  'aix',
  'netbsd',
  'openbsd',
  'sunos',
]
const CPU = {
  riscv64: 'riscv64',
  ppc64: 'ppc64',
  s390x: 's390x',
  loong64: 'loong64',
  ia32: 'ia32',
  x64: 'x64',
}

function platformOf(name) {
  const parts = name.split('/').at(-1).split('-')
  const os = OS.find((one) => parts.includes(one))
  if (!os) return parts.includes('wasm32') ? { cpu: ['wasm32'] } : null
  const cpu =
    parts.map((part) => CPU[part]).find(Boolean) ??
    (parts.includes('arm64') ? 'arm64' : parts.includes('arm') ? 'arm' : null)
  if (!cpu) return null
  const libc = parts.some((part) => part.startsWith('musl'))
    ? { libc: ['musl'] }
    : parts.some((part) => part.startsWith('gnu')) && os === 'linux' && cpu !== 'arm'
      ? { libc: ['glibc'] }
      : {}
  return { cpu: [cpu], ...libc, os: [os] }
}

let added = 0
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const known = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((at) => at in lock.packages)
    const platform = platformOf(name)
    if (known || !platform || !/^\d/.test(version)) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
      ...platform,
    }
    added++
  }
}
const { '': root, ...rest } = lock.packages
lock.packages = {
  '': root,
  ...Object.fromEntries(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1))),
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${added} packages of other platforms added`)
