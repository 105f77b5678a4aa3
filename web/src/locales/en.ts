import { messages as call } from './call/en.po'
import { messages as pages } from './pages/en.po'

export const messages = { ...call, ...pages }
