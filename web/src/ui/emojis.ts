import { t } from '@lingui/core/macro'

type Emoji = readonly [emoji: string, word: string]

/** What is shown; the words are what a screen reader says. */
export const REACTIONS = (): readonly Emoji[] => [
  ['👍', t`Thumbs up`],
  ['❤️', t`Heart`],
  ['😂', t`Laughing`],
  ['😮', t`Surprised`],
  ['👏', t`Applause`],
  ['🎉', t`Hooray`],
]

/** For messages, a few more. */
export const EMOJIS = (): readonly Emoji[] => [
  ...REACTIONS(),
  ['🙂', t`Smile`],
  ['😅', t`Phew`],
  ['🤔', t`Thinking`],
  ['🙏', t`Thank you`],
  ['👋', t`Waving`],
  ['✅', t`Done that`],
]
