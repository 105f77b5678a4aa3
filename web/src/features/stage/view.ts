/* How this person looks at the call: layout, what is pinned, which panel is open. Nobody else sees it. */
import { create } from 'zustand'
import { getFlag, setFlag } from '../../state/flags'

const LAYOUT = 'layout'

export type Panel = 'chat' | 'people' | 'details' | 'devices'

interface StageView {
  layout: 'grid' | 'speaker'
  /** A tile's key. */
  pinned: string | null
  page: number
  selfHidden: boolean
  panel: Panel | null
  help: boolean
  /** The dialog of stream links. */
  streams: boolean
  /** Takes everything back for the next call, but the layout. */
  reset(): void
  toggleLayout(): void
  pin(key: string): void
  togglePanel(panel: Panel): void
}

export const useStage = create<StageView>((set) => ({
  layout: getFlag(LAYOUT) === 'speaker' ? 'speaker' : 'grid',
  pinned: null,
  page: 0,
  selfHidden: false,
  panel: null,
  help: false,
  streams: false,
  reset: () => set({ pinned: null, page: 0, panel: null, help: false, streams: false }),
  toggleLayout: () =>
    set(({ layout: before }) => {
      const layout = before === 'grid' ? 'speaker' : 'grid'
      // The next call, and this one after a reload, look as this one does.
      setFlag(LAYOUT, layout)
      return { layout, pinned: null, page: 0 }
    }),
  pin: (key) => set(({ pinned }) => ({ pinned: pinned === key ? null : key, page: 0 })),
  togglePanel: (panel) => set((state) => ({ panel: state.panel === panel ? null : panel })),
}))
