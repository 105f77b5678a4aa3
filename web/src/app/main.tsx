import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { BrowserRouter } from 'react-router'
import { keepHistoryFresh } from '../state/history'
import { App } from './App'
import './index.css'

const queries = new QueryClient({
  // The client of the interface repeats by itself where that is safe.
  defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } },
})
keepHistoryFresh(queries)

const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <BrowserRouter>
          <App />
        </BrowserRouter>
      </QueryClientProvider>
    </StrictMode>,
  )
