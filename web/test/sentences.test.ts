import { describe, expect, it } from 'vitest'
import { elapsedWords, endSentence, historyLine, listNames, whenWords } from '../src/call/sentences'
import { ana, bela, call, member } from './support/fakes'

const ended = (end_reason: ReturnType<typeof call>['end_reason'], more = {}) =>
  call({ state: 'ended', end_reason, ended_at: '2026-03-01T10:12:00Z', ...more })

describe('how a call ended', () => {
  it('has a sentence for every way, on both sides', () => {
    const say = (reason: Parameters<typeof ended>[0], me = ana.id, name = 'Bela') =>
      endSentence('over', ended(reason), me, name)
    expect(say('declined')).toBe('Bela declined')
    expect(say('timeout')).toBe('No answer — leave a message?')
    expect(say('busy')).toBe('Bela is in another call')
    expect(say('hangup')).toBe('Bela left the call')
    expect(say('failed')).toBe('The connection was lost')
    expect(say('cancelled', bela.id, 'Ana')).toBe('You missed a call from Ana')
    expect(say('timeout', bela.id, 'Ana')).toBe('You missed a call from Ana')
    expect(endSentence('left', call({ state: 'active' }), ana.id, 'Bela')).toBe('You left the call')
    expect(endSentence('left', call(), ana.id, 'Bela')).toBe('You cancelled the call')
    expect(endSentence('left', null, ana.id, 'Bela')).toBe('You left the call')
    expect(endSentence('answered_elsewhere', call(), bela.id, 'Ana')).toBe('You answered on another device')
  })

  it('says who can let somebody in again', () => {
    const shut = call({ state: 'active', locked: true })
    expect(endSentence('kept_out', shut, bela.id, '')).toBe(
      'The call is locked. Ask Ana to open it, or to add you.',
    )
    expect(endSentence('kept_out', { ...shut, locked: false }, bela.id, '')).toBe(
      'You can come back when Ana adds you to the call.',
    )
  })

  it('is a line in the history', () => {
    expect(historyLine(ended('hangup'), ana.id).text).toBe('You called, 12 min')
    expect(historyLine(ended('hangup'), bela.id).text).toBe('Called you, 12 min')
    expect(historyLine(ended('timeout'), ana.id)).toMatchObject({ text: 'No answer', missed: false })
    expect(historyLine(ended('timeout'), bela.id)).toMatchObject({ text: 'Missed', missed: true })
    const missed = ended('hangup', { members: [member(ana, 'left'), member(bela, 'missed')] })
    expect(historyLine(missed, bela.id).missed).toBe(true)
  })
})

describe('words', () => {
  it('tell when', () => {
    const now = new Date(2026, 2, 10, 15, 0)
    const at = (day: number, hour = 14) => whenWords(new Date(2026, 2, day, hour, 2).toISOString(), now)
    expect(at(10)).toMatch(/^\d+:02/)
    expect(at(9)).toMatch(/^Yesterday /)
    expect(at(6)).toMatch(/^Fri /)
    expect(at(1)).toMatch(/1/)
    expect(whenWords('nonsense', now)).toBe('')
  })

  it('tell how long, and who', () => {
    expect(elapsedWords(61_000)).toBe('1:01')
    expect(elapsedWords(3_600_000)).toBe('1:00:00')
    expect(elapsedWords(-5)).toBe('0:00')
    expect(listNames(['A', 'B', 'C'])).toBe('A, B and C')
  })
})
