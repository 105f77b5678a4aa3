import { ApiError } from '../../api/client'
import { problemSentence } from '../../call/sentences'
import { parley } from '../../state/parley'

/** Says what went wrong, where there is no better place for it. */
export async function attempt(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    parley.say(error instanceof ApiError ? problemSentence(error) : String(error), 'error')
    return false
  }
}
