/* Where every tile of a call lies: pure arithmetic, so that a tile can move without being taken out of the page. */
import { bestGrid } from './grid'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Arrangement {
  /** Those that are shown now. */
  boxes: Map<string, Box>
  pages: number
  page: number
  /** Where the small ones lie, if one takes the stage. */
  strip: 'beside' | 'below' | null
}

export interface Wish {
  /** All tiles, in their order. */
  keys: readonly string[]
  /** The one that takes the stage; null is the grid. */
  main: string | null
  /** One of them that is on every page. */
  always?: string | null
  width: number
  height: number
  page: number
}

const GAP = 8
const RATIO = 16 / 9
/** In a window that is higher than wide, a tile may be less wide: sides are cut, not faces. */
const RATIO_NARROW = 4 / 3
const PER_PAGE = 9
const SMALLEST = 140

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

/** What a page of that size holds; `always` comes last on each, where there is room for more than it. */
function pageOf(
  items: readonly string[],
  size: number,
  page: number,
  always: string | null = null,
): { items: readonly string[]; pages: number; page: number } {
  const stays = items.length > size && size > 1 && always !== null && items.includes(always) ? [always] : []
  const turned = items.filter((key) => !stays.includes(key))
  const room = Math.max(1, size - stays.length)
  const pages = Math.max(1, Math.ceil(turned.length / room))
  const at = clamp(page, 0, pages - 1)
  return { items: [...turned.slice(at * room, (at + 1) * room), ...stays], pages, page: at }
}

function grid({ keys, always, width, height, page }: Wish): Arrangement {
  const ratio = width < height ? RATIO_NARROW : RATIO
  let size = Math.min(PER_PAGE, Math.max(1, keys.length))
  for (; size > 2; size--) {
    const { columns, rows } = bestGrid(size, width, height, ratio)
    if (Math.min(width / columns, (height / rows) * ratio) >= SMALLEST) break
  }
  const shown = pageOf(keys, size, page, always)
  // The last page looks like the others.
  const { columns, rows } = bestGrid(shown.pages > 1 ? size : shown.items.length, width, height, ratio)
  const cell = { width: (width - GAP * (columns - 1)) / columns, height: (height - GAP * (rows - 1)) / rows }
  const wide = clamp(cell.width / cell.height, ratio, RATIO)
  const tile = {
    width: Math.min(cell.width, cell.height * wide),
    height: Math.min(cell.height, cell.width / wide),
  }
  const boxes = new Map<string, Box>()
  if (keys.length === 1 && keys[0] !== undefined) boxes.set(keys[0], { x: 0, y: 0, width, height })
  else {
    const used = Math.ceil(shown.items.length / columns)
    const top = (height - used * tile.height - (used - 1) * GAP) / 2
    shown.items.forEach((key, n) => {
      const row = Math.floor(n / columns)
      const inRow = Math.min(columns, shown.items.length - row * columns)
      const left = (width - inRow * tile.width - (inRow - 1) * GAP) / 2
      boxes.set(key, {
        x: left + (n % columns) * (tile.width + GAP),
        y: top + row * (tile.height + GAP),
        ...tile,
      })
    })
  }
  return { boxes, pages: shown.pages, page: shown.page, strip: null }
}

function stage({ keys, always, width, height, page }: Wish, main: string): Arrangement {
  const others = keys.filter((key) => key !== main)
  const boxes = new Map<string, Box>()
  if (others.length === 0)
    return { boxes: boxes.set(main, { x: 0, y: 0, width, height }), pages: 1, page: 0, strip: null }
  const beside = width > height * 1.15
  // Smaller rather than on another page, down to what can still be recognised.
  const fits = ((beside ? height : width) + GAP) / others.length - GAP
  const tileWidth = beside
    ? clamp(Math.min(width * 0.19, fits * RATIO), 120, 256)
    : clamp(Math.min(width * 0.3, fits), 84, 220)
  const tile = { width: tileWidth, height: tileWidth / RATIO }
  const room = beside ? (height + GAP) / (tile.height + GAP) : (width + GAP) / (tile.width + GAP)
  const shown = pageOf(others, Math.max(1, Math.floor(room + 0.001)), page, always)
  if (beside) boxes.set(main, { x: 0, y: 0, width: width - tile.width - GAP, height })
  else boxes.set(main, { x: 0, y: 0, width, height: height - tile.height - GAP })
  const length = shown.items.length * ((beside ? tile.height : tile.width) + GAP) - GAP
  const start = ((beside ? height : width) - length) / 2
  shown.items.forEach((key, n) =>
    boxes.set(
      key,
      beside
        ? { x: width - tile.width, y: start + n * (tile.height + GAP), ...tile }
        : { x: start + n * (tile.width + GAP), y: height - tile.height, ...tile },
    ),
  )
  return { boxes, pages: shown.pages, page: shown.page, strip: beside ? 'beside' : 'below' }
}

/** Own picture floats over one tile, and is a tile of its own among several. */
export const floats = (tiles: number): boolean => tiles < 2

export function arrange(wish: Wish): Arrangement {
  if (wish.keys.length === 0 || !(wish.width > 0) || !(wish.height > 0))
    return { boxes: new Map(), pages: 1, page: 0, strip: null }
  return wish.main !== null && wish.keys.includes(wish.main) ? stage(wish, wish.main) : grid(wish)
}
