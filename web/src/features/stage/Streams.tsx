/* Stream links: made, copied, listed and revoked; and the mark that says that somebody watches by one. */
import { plural, t } from '@lingui/core/macro'
import { Check, Copy, Eye, Trash2, X } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { ApiError } from '../../api/client'
import type { NewStream, Stream, StreamKind } from '../../api/streams'
import { createStream, deleteStream, listStreams } from '../../api/streams'
import type { Call } from '../../api/types'
import { problemSentence } from '../../call/sentences'
import { watchersOf } from '../../call/model'
import { Alert } from '../../ui/Alert'
import { Button, IconButton } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Modal } from '../../ui/Modal'
import { Skeleton } from '../../ui/Skeleton'
import { useStage } from './view'

const NAME_MAX = 64

function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error)
  if (error.code === 'forbidden')
    return t`This call is locked, or has as many links as it may have. Revoke one first.`
  if (error.code === 'wrong_state') return t`You are not in this call any more.`
  return problemSentence(error)
}

export function Streams({ call, meId }: { call: Call; meId: string }) {
  const [streams, setStreams] = useState<Stream[] | null>(null)
  const [made, setMade] = useState<NewStream | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const alive = useRef(true)
  const close = () => useStage.setState({ streams: false })
  const load = () =>
    listStreams(call.id).then(
      (items) => alive.current && setStreams(items),
      (error: unknown) => alive.current && setProblem(explain(error)),
    )
  useEffect(() => {
    alive.current = true
    void load()
    return () => void (alive.current = false)
    // Whatever changes in the call may be one of them that came or went.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [call.id, call.version])
  const run = async (work: () => Promise<unknown>) => {
    setProblem(null)
    try {
      await work()
    } catch (error) {
      if (alive.current) setProblem(explain(error))
    }
    await load()
  }
  return (
    <Modal label={t`Stream links`} onClose={close} className="flex-col open:flex">
      <header className="flex items-center justify-between border-b border-line py-2 ps-5 pe-2">
        <h2 className="text-base font-semibold">{t`Stream links`}</h2>
        <IconButton label={t`Close stream links`} onClick={close} data-first>
          <X aria-hidden className="size-5" />
        </IconButton>
      </header>
      <div className="min-h-0 space-y-5 overflow-y-auto p-5 select-text">
        {problem && <Alert>{problem}</Alert>}
        {made ? (
          <Made stream={made} onDone={() => setMade(null)} />
        ) : (
          <Make
            onMake={(kind, name) =>
              run(async () => {
                const stream = await createStream(call.id, kind, name)
                if (alive.current) setMade(stream)
              })
            }
          />
        )}
        <section aria-label={t`Links of this call`}>
          <h3 className="mb-1 text-xs font-medium text-soft">{t`Links of this call`}</h3>
          {streams === null ? (
            !problem && <Skeleton className="h-12 w-full" />
          ) : streams.length === 0 ? (
            <p className="text-sm text-soft">{t`There are none yet. A link works while you are in this call.`}</p>
          ) : (
            <ul>
              {streams.map((stream) => (
                <Row
                  key={stream.id}
                  stream={stream}
                  mayRevoke={stream.made_by === meId || call.started_by === meId}
                  onRevoke={() => {
                    if (made?.id === stream.id) setMade(null)
                    void run(() => deleteStream(call.id, stream.id))
                  }}
                />
              ))}
            </ul>
          )}
        </section>
      </div>
    </Modal>
  )
}

function Make({ onMake }: { onMake: (kind: StreamKind, name: string) => Promise<void> }) {
  const [kind, setKind] = useState<StreamKind>('publish')
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const kinds: readonly { value: StreamKind; label: string; hint: string }[] = [
    { value: 'publish', label: t`Send into the call`, hint: t`OBS, a camera, a room system (WHIP)` },
    { value: 'watch', label: t`Watch the call`, hint: t`A recorder, a screen on the wall (WHEP)` },
  ]
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault()
        if (busy || !name.trim()) return
        setBusy(true)
        void onMake(kind, name.trim()).finally(() => setBusy(false))
      }}
    >
      <fieldset className="space-y-2">
        <legend className="mb-1.5 text-sm font-medium">{t`What the program does`}</legend>
        {kinds.map((option) => (
          <label
            key={option.value}
            className="flex min-h-11 cursor-pointer items-start gap-3 rounded-control border border-line bg-raised px-3.5 py-3 hover:bg-sunken has-checked:border-accent has-checked:bg-tint has-checked:text-on-tint has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent"
          >
            <input
              type="radio"
              name="kind"
              value={option.value}
              checked={option.value === kind}
              onChange={() => setKind(option.value)}
              className="mt-0.5 size-4 shrink-0 accent-accent outline-none"
            />
            <span className="text-sm">
              {option.label}
              <span className="block text-xs opacity-90">{option.hint}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <Field
        label={t`Name that the others see`}
        value={name}
        maxLength={NAME_MAX}
        required
        autoComplete="off"
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" look="accent" wide busy={busy} disabled={!name.trim()}>
        {t`Make link`}
      </Button>
    </form>
  )
}

function Made({ stream, onDone }: { stream: NewStream; onDone: () => void }) {
  return (
    <section className="space-y-3" aria-label={t`New link`}>
      <p role="status" className="text-sm">
        {t`Copy both into the program now: the token is not shown again. Whoever has it can use the link.`}
      </p>
      <Secret label={t`Address`} copy={t`Copy address`} text={stream.url} />
      <Secret label={t`Token`} copy={t`Copy token`} text={stream.token} />
      <Button wide onClick={onDone}>
        {t`Make another link`}
      </Button>
    </section>
  )
}

function Secret({ label, copy, text }: { label: string; copy: string; text: string }) {
  const [copied, setCopied] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const onCopy = () => {
    // Where the browser does not let pages copy, it stands there selected.
    field.current?.select()
    void navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => undefined,
    )
  }
  return (
    <div>
      <span aria-hidden className="mb-1.5 block text-sm font-medium">
        {label}
      </span>
      <div className="flex gap-2">
        <input
          ref={field}
          readOnly
          aria-label={label}
          value={text}
          onFocus={(event) => event.target.select()}
          className="h-11 min-w-0 flex-1 rounded-control border border-strong bg-raised px-3 font-mono text-xs"
        />
        <IconButton label={copy} look="plain" onClick={onCopy}>
          {copied ? <Check aria-hidden className="size-5" /> : <Copy aria-hidden className="size-5" />}
        </IconButton>
      </div>
      <span role="status" className="text-xs text-soft">
        {copied && t`Copied`}
      </span>
    </div>
  )
}

const stateWord = (state: Stream['state']): string =>
  ({
    waiting: t`not connected`,
    joined: t`connected`,
    paused: t`paused`,
    reconnecting: t`reconnecting…`,
  })[state]

interface RowProps {
  stream: Stream
  mayRevoke: boolean
  onRevoke: () => void
}

function Row({ stream, mayRevoke, onRevoke }: RowProps) {
  const { name, kind, state } = stream
  return (
    <li className="flex min-h-14 items-center gap-3">
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-medium">{name}</span>
        <span className="block truncate text-xs text-soft">
          {kind === 'publish' ? t`sends into the call` : t`watches the call`} · {stateWord(state)}
        </span>
      </span>
      {mayRevoke && (
        <IconButton label={t`Revoke ${name}`} onClick={onRevoke}>
          <Trash2 aria-hidden className="size-4" />
        </IconButton>
      )}
    </li>
  )
}

/** Nobody is watched without seeing it. */
export function WatchedMark({ call }: { call: Call | null }) {
  const watchers = call ? watchersOf(call) : []
  if (watchers.length === 0) return null
  const names = watchers.map(({ user }) => user.display_name).join(', ')
  return (
    <span
      role="status"
      title={names}
      className="flex items-center gap-1.5 text-sm whitespace-nowrap text-white/80"
    >
      <Eye aria-hidden className="size-4" />
      {plural(watchers.length, { one: '# watching by link', other: '# watching by link' })}
    </span>
  )
}
