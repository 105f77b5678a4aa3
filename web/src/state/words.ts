/* While nobody looks at the page, the desktop says what somebody wrote. */
import { nameOf } from '../call/sentences'
import { notify } from './notifications'
import { parley } from './parley'

export function notifyOfWords(): () => void {
  return parley.store.subscribe(({ words, world }, before) => {
    if (!words || words === before.words) return
    notify(nameOf(words.user, world.contacts[words.user.id]), words.text, `${words.callId}-words`)
  })
}
