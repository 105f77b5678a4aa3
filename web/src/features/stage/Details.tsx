import { t } from '@lingui/core/macro'
import { i18n } from '@lingui/core'
import type { ReactNode } from 'react'
import type { User } from '../../api/types'
import type { CallFlow, PersonFlow } from '../../call/flow'
import type { SessionView } from '../../call/view'
import type { LineFlow } from '../../call/stats'
import { useParley } from '../../state/parley'
import { Bars, barsWord } from './Bars'

function rate(bits: number | null | undefined): string {
  if (bits === null || bits === undefined) return '–'
  const many = bits >= 1_000_000
  const figure = many
    ? i18n.number(bits / 1_000_000, { maximumFractionDigits: 1 })
    : i18n.number(Math.round(bits / 1000))
  return many ? t`${figure} Mbit/s` : t`${figure} kbit/s`
}

const percent = (part: number | null | undefined) =>
  part === null || part === undefined
    ? '–'
    : i18n.number(part, { style: 'percent', maximumFractionDigits: 1 })
const size = (line: LineFlow | null) =>
  line?.width && line.height
    ? `${line.width} × ${line.height}${line.fps ? `, ${Math.round(line.fps)} fps` : ''}`
    : '–'

/** How the media flow: for those who want to know why it looks as it looks. */
export function Details({ me, session }: { me: User; session: SessionView }) {
  const flow = useParley((state) => state.flow)
  return (
    <div
      data-first
      className="min-h-0 flex-1 space-y-5 overflow-y-auto p-4 -outline-offset-2"
      // Those who use the keyboard scroll it, too.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="group"
      aria-label={t`Figures`}
    >
      {flow ? (
        <Figures me={me} session={session} flow={flow} />
      ) : (
        <p role="status" className="text-soft">{t`Measuring…`}</p>
      )}
    </div>
  )
}

function Figures({ me, session, flow }: { me: User; session: SessionView; flow: CallFlow }) {
  const quality = useParley((state) => state.quality)
  const trip = flow.rtt === null ? '' : i18n.number(Math.round(flow.rtt * 1000))
  const name = me.display_name
  return (
    <>
      <List>
        <Row name={t`Round trip`}>{flow.rtt === null ? '–' : t`${trip} ms`}</Row>
        <Row name={t`Room to send`}>{rate(flow.available)}</Row>
        {quality && (
          <>
            <Row name={t`Lost on the way here`}>{percent(quality.loss_in)}</Row>
            <Row name={t`Lost on the way from here`}>{percent(quality.loss_out)}</Row>
            <Row name={t`Media process`}>{quality.mediad}</Row>
          </>
        )}
      </List>
      <Person name={t`${name} (you, sent)`} flow={flow.own} />
      {session.tiles.map(({ member: { user } }) => {
        const person = flow.people[user.id]
        return person && <Person key={user.id} name={user.display_name} flow={person} />
      })}
    </>
  )
}

function Person({ name, flow }: { name: string; flow: PersonFlow }) {
  const { bars, audio, video, screen } = flow
  return (
    <section aria-label={name}>
      <h3 className="flex items-center gap-2 pb-1.5 text-sm font-semibold">
        <Bars bars={bars} />
        <span className="truncate">{name}</span>
        <span className="ms-auto text-xs font-normal text-soft">{barsWord(bars)}</span>
      </h3>
      <List>
        <Row name={t`Sound`}>{audio ? `${rate(audio.bitrate)}, ${percent(audio.loss)}` : '–'}</Row>
        <Row name={t`Picture`}>{video ? `${rate(video.bitrate)}, ${percent(video.loss)}` : '–'}</Row>
        <Row name={t`Resolution`}>{size(video)}</Row>
        {video?.codec && <Row name={t`Codec`}>{video.codec}</Row>}
        {screen && <Row name={t`Screen`}>{`${rate(screen.bitrate)}, ${size(screen)}`}</Row>}
      </List>
    </section>
  )
}

const List = ({ children }: { children: ReactNode }) => <dl className="space-y-1 text-sm">{children}</dl>

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex justify-between gap-4">
      <dt className="text-soft">{name}</dt>
      <dd className="tabular-nums">{children}</dd>
    </div>
  )
}
