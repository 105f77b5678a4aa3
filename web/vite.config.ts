import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { lingui } from '@lingui/vite-plugin'
import babel from '@rolldown/plugin-babel'
import react from '@vitejs/plugin-react'
import tailwind from '@tailwindcss/vite'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { renderReference } from './src/reference/render'

/** Puts a .br and a .gz beside every file that gets smaller by it; the server sends them as they are. */
function precompress(): Plugin {
  const compressible = /\.(html|js|css|svg|json|webmanifest|txt)$/
  let outDir = ''
  const walk = (dir: string): string[] =>
    readdirSync(dir).flatMap((name) => {
      const path = join(dir, name)
      return statSync(path).isDirectory() ? walk(path) : [path]
    })
  return {
    name: 'parley-precompress',
    apply: 'build',
    configResolved(config) {
      outDir = join(config.root, config.build.outDir)
    },
    closeBundle() {
      for (const path of walk(outDir).filter((name) => compressible.test(name))) {
        const raw = readFileSync(path)
        const br = brotliCompressSync(raw, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
        })
        const gz = gzipSync(raw, { level: 9 })
        if (br.length < raw.length) writeFileSync(`${path}.br`, br)
        if (gz.length < raw.length) writeFileSync(`${path}.gz`, gz)
      }
    },
  }
}

/** api/docs.html is drawn here, from the description of the API and its guide: no browser has to. */
function reference(): Plugin {
  const docs = join(import.meta.dirname, '../docs')
  return {
    name: 'parley-reference',
    transformIndexHtml: {
      order: 'pre',
      handler: (html, { path }) =>
        path === '/api/docs.html'
          ? html.replace(/<!-- what [^]*?-->/, () =>
              renderReference(join(docs, 'openapi.yaml'), join(docs, 'API.md')),
            )
          : html,
    },
  }
}

export default defineConfig({
  plugins: [
    // Turns what @lingui's macros mark into look-ups, and catalogues into modules.
    babel({ include: /src\/.*\.tsx?$/, plugins: ['@lingui/babel-plugin-lingui-macro'] }),
    lingui({ failOnCompileError: true }),
    react(),
    tailwind(),
    reference(),
    precompress(),
  ],
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    // Data URIs would need a wider content security policy.
    assetsInlineLimit: 0,
    target: 'es2022',
    // Every browser that can do calls knows how to preload by itself.
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ['index.html', 'api/docs.html'] },
    reportCompressedSize: false,
  },
  server: {
    port: 5173,
    proxy: { '/api': { target: 'https://localhost:8443', secure: false, ws: true } },
  },
  test: {
    environment: 'happy-dom',
    include: ['test/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    setupFiles: ['test/setup.ts'],
  },
})
