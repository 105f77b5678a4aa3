import { messages as call } from './call/de.po'
import { messages as pages } from './pages/de.po'

export const messages = { ...call, ...pages }
