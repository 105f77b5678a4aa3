import { messages as call } from './call/fr.po'
import { messages as pages } from './pages/fr.po'

export const messages = { ...call, ...pages }
