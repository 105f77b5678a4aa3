import { i18n } from '@lingui/core'
import { I18nProvider } from '@lingui/react'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { keepHistoryFresh } from '../state/history'
import { startLocale } from '../state/locale'
import { parley } from '../state/parley'
import { notifyOfWords } from '../state/words'
import { App } from './App'
import './index.css'

const queries = new QueryClient({
  // The client of the interface repeats by itself where that is safe.
  defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } },
})
keepHistoryFresh(queries)
notifyOfWords()

// The sentences and the sign-in are fetched side by side.
void parley.boot()
const root = document.getElementById('root')
if (root)
  void startLocale().then(() =>
    createRoot(root).render(
      <StrictMode>
        <I18nProvider i18n={i18n}>
          <QueryClientProvider client={queries}>
            <BrowserRouter>
              <App />
            </BrowserRouter>
          </QueryClientProvider>
        </I18nProvider>
      </StrictMode>,
    ),
  )
