/** Columns and rows that waste the least space for n tiles of 16:9 in a box. */
export function bestGrid(
  n: number,
  width: number,
  height: number,
  ratio = 16 / 9,
): { columns: number; rows: number } {
  let best = { columns: 1, rows: Math.max(1, n) }
  let bestArea = -1
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns)
    const tile = Math.min(width / columns, (height / rows) * ratio)
    const area = n * tile * (tile / ratio)
    if (area > bestArea + 1e-6) {
      bestArea = area
      best = { columns, rows }
    }
  }
  return best
}
