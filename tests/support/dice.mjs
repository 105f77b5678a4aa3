// Chance that can be repeated: a test prints its seed, and PARLEY_TEST_SEED plays the same again.

/** The seed of this run: PARLEY_TEST_SEED, or one of the clock's. */
export const seedOfRun = () => Number(process.env.PARLEY_TEST_SEED ?? Date.now() % 100000);

/** Returns random(): a number from 0 to below 1, by mulberry32. */
export function randomOf(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns dice(n): a whole number from 0 to below n. */
export function diceOf(seed) {
  const random = randomOf(seed);
  return (n) => Math.floor(random() * n);
}
