import { describe, expect, it } from 'vitest'
import { SilenceWatch } from '../src/call/silence'

const rounds = (watch: SilenceWatch, ages: (number | null)[]) => ages.map((age) => watch.brokenAt(age))
const flowing = (n: number) => Array.from({ length: n }, (_, i) => (i % 3) * 150)

describe('a silence', () => {
  it('is noticed once, after packets have flowed', () => {
    const watch = new SilenceWatch()
    expect(rounds(watch, flowing(20))).not.toContain(true)
    expect(rounds(watch, [100, 350, 600, 850, 1100, null])).toEqual([false, false, true, false, false, false])
  })

  it('asks again only when packets have flowed again', () => {
    const watch = new SilenceWatch()
    rounds(watch, [...flowing(8), 700])
    expect(rounds(watch, [...flowing(7), 700])).not.toContain(true)
    expect(rounds(watch, [...flowing(8), 700])).toContain(true)
  })

  it('of somebody who speaks seldom is none', () => {
    expect(rounds(new SilenceWatch(), [...flowing(8), 300, 420, 500, 10, 590, 200])).not.toContain(true)
  })

  it('at the beginning, and after the way was changed, means nothing', () => {
    const watch = new SilenceWatch()
    expect(rounds(watch, [null, null, 800])).not.toContain(true)
    rounds(watch, flowing(20))
    watch.reset()
    expect(watch.brokenAt(900)).toBe(false)
  })
})
