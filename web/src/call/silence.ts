/* Has the way to the server broken? Browsers take seconds to say so; packets that flowed and stop say it at once. It may
 * also be that everybody has muted: the answer is a reason to look, not more. Pure but for its memory. */

/** Packets of one who speaks come every 20 ms, of one who is silent every 400 ms. */
const FLOWS_MS = 450
const SILENT_MS = 600
/** Rounds of flowing before a silence means anything, so that one silence asks once. */
const STEADY_ROUNDS = 8

export class SilenceWatch {
  private steady = 0

  /** Of the newest packet of all, in ms; null when there is none. True once for each silence. */
  brokenAt(age: number | null): boolean {
    if (age !== null && age < FLOWS_MS) {
      this.steady++
      return false
    }
    if (age !== null && age < SILENT_MS) return false
    const broken = this.steady >= STEADY_ROUNDS
    this.steady = 0
    return broken
  }

  /** What was is not the same way any more. */
  reset(): void {
    this.steady = 0
  }
}
