import { defineConfig } from '@lingui/cli'
import { formatter } from '@lingui/format-po'

/* Two catalogues per language: `call` for the call screen and what is said of calls, `pages` for the rest. */
const CALL = [
  'src/call',
  'src/features/stage',
  'src/features/chat',
  'src/features/people',
  'src/features/devices',
]
const FOLDER = process.env.PARLEY_LOCALES ?? 'src/locales'

export default defineConfig({
  sourceLocale: 'en',
  locales: ['en', 'de', 'fr'],
  catalogs: [
    { path: `<rootDir>/${FOLDER}/call/{locale}`, include: CALL.map((folder) => `<rootDir>/${folder}`) },
    {
      path: `<rootDir>/${FOLDER}/pages/{locale}`,
      include: ['<rootDir>/src'],
      exclude: [...CALL.map((folder) => `<rootDir>/${folder}/**`), '**/*.gen.ts'],
    },
  ],
  orderBy: 'message',
  format: formatter({ lineNumbers: false, origins: false }),
})
