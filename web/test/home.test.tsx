import { i18n } from '@lingui/core'
import { I18nProvider } from '@lingui/react'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { MemoryRouter } from 'react-router'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { SignIn } from '../src/api/account'
import { account } from '../src/api/account'
import { api, ApiError } from '../src/api/client'
import type { Call } from '../src/api/types'
import { emptyWorld } from '../src/call/model'
import { ContactList } from '../src/features/home/ContactList'
import { HistoryList } from '../src/features/home/HistoryList'
import { SelectionBar } from '../src/features/home/SelectionBar'
import { IncomingCall } from '../src/features/ringing/IncomingCall'
import { agentWords } from '../src/features/settings/agent'
import SettingsPage from '../src/features/settings/SettingsPage'
import type { History } from '../src/state/history'
import { preferred } from '../src/state/locale'
import { parley } from '../src/state/parley'
import { ana, bela, call, contact, member, user } from './support/fakes'

const show = (children: ReactNode) =>
  render(
    <I18nProvider i18n={i18n}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter>{children}</MemoryRouter>
      </QueryClientProvider>
    </I18nProvider>,
  )

const cleo = user('3', 'Cleo')

beforeEach(() => {
  vi.spyOn(account, 'server').mockResolvedValue({ version: '1', signups: 'open', password_min: 15 })
  parley.store.setState({
    world: { ...emptyWorld, me: ana as never, ready: true },
    session: null,
    held: null,
  })
})

describe('the list of contacts', () => {
  const list = (toggle = vi.fn()) => {
    show(
      <ContactList
        contacts={[
          contact(bela, { favourite: true, nickname: 'Bee' }),
          contact(cleo),
          contact(user('4', 'Dan'), { presence: 'offline' }),
          contact(user('5', 'Eve'), { state: 'blocked' }),
        ]}
        last={new Map()}
        unread={new Map([[bela.id, 2]])}
        meId={ana.id}
        ready
        selection={{ ids: new Set(['3']), toggle }}
        onAdd={() => undefined}
      />,
    )
    return toggle
  }

  it('has favourites first, then who is around, then the others; blocked ones apart', () => {
    list()
    const names = screen.getAllByRole('list').map((one) => one.getAttribute('aria-label'))
    expect(names).toEqual(['Favourites', 'Around now', 'Offline', null])
    expect(screen.getByText('Bee')).toBeTruthy()
    expect(screen.getByText('1 person blocked')).toBeTruthy()
  })

  it('says who has left a message', () => {
    list()
    expect(screen.getByRole('link', { name: /Bee.*2 new messages/ })).toBeTruthy()
    expect(screen.queryByRole('link', { name: /Cleo.*new message/ })).toBeNull()
  })

  it('selects by a checkbox that is named after the person, or by the space bar', async () => {
    const toggle = list()
    await userEvent.click(screen.getByRole('checkbox', { name: 'Select Bela' }))
    expect(screen.getByRole<HTMLInputElement>('checkbox', { name: 'Select Cleo' }).checked).toBe(true)
    screen.getByRole('link', { name: /Dan/ }).focus()
    await userEvent.keyboard(' ')
    expect(toggle.mock.calls).toEqual([['2'], ['4']])
  })

  it('is walked with the arrow keys, in one column', async () => {
    list()
    screen.getByRole('searchbox', { name: 'Filter contacts' }).focus()
    await userEvent.keyboard('{ArrowDown}')
    expect(document.activeElement?.textContent).toContain('Bee')
    await userEvent.keyboard('{ArrowDown}{ArrowDown}{ArrowDown}')
    expect(document.activeElement?.textContent).toContain('Dan')
    screen.getByRole('button', { name: 'Video call Dan' }).focus()
    await userEvent.keyboard('{Home}')
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Video call Bela')
  })

  it('calls all who are selected', async () => {
    const start = vi.spyOn(parley, 'startCall').mockReturnValue()
    const clear = vi.fn()
    show(<SelectionBar people={[bela, cleo]} onClear={clear} />)
    expect(screen.getByText('Call 2 people')).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Call selected' }))
    expect(start).toHaveBeenCalledWith([bela, cleo], true)
    expect(clear).toHaveBeenCalled()
  })
})

describe('the history', () => {
  const ended: Call = call({ state: 'ended', end_reason: 'hangup', messages: 2 })
  const history = { isPending: false, isError: false, hasNextPage: false } as unknown as History

  it('shows what was written in a call, and calls again', async () => {
    vi.spyOn(api, 'listMessages').mockResolvedValue({
      items: [
        {
          id: 'm',
          call_id: 'c1',
          seq: 1,
          user_id: bela.id,
          text: 'Hello, see https://example.org/a.',
          created_at: '2026-03-01T10:01:00Z',
        },
      ],
      next: null,
    })
    const start = vi.spyOn(parley, 'startCall').mockReturnValue()
    const contacts = { [bela.id]: contact(bela) }
    show(<HistoryList calls={[ended]} history={history} meId={ana.id} contacts={contacts} named empty="" />)
    await userEvent.click(screen.getByRole('button', { name: '2 messages' }))
    const link = await screen.findByRole('link', { name: 'https://example.org/a' })
    expect(link.closest('ul')?.getAttribute('aria-label')).toBe('Chat of this call')
    expect(link.getAttribute('rel')).toBe('noopener noreferrer')
    await userEvent.click(screen.getByRole('button', { name: 'Call Bela again' }))
    expect(start).toHaveBeenCalledWith([bela], true)
  })

  const missed = (more: Partial<Call>): Call =>
    call({ state: 'ended', end_reason: 'timeout', ended_at: new Date().toISOString(), ...more })
  const alone = (one: Call, named: boolean) =>
    show(
      <HistoryList
        calls={[one]}
        history={history}
        meId={ana.id}
        contacts={{ [bela.id]: contact(bela) }}
        named={named}
        empty=""
      />,
    )

  it('opens what was left by itself beside the person, and says that it is read', async () => {
    const left = {
      id: 'm',
      call_id: 'c1',
      seq: 3,
      user_id: bela.id,
      text: 'Call me',
      created_at: '2026-03-01T10:01:00Z',
    }
    vi.spyOn(api, 'listMessages').mockResolvedValue({ items: [left], next: null })
    const read = vi.spyOn(parley, 'markRead').mockResolvedValue()
    alone(missed({ id: 'c7', started_by: bela.id, messages: 1, unread: 1 }), false)
    expect(screen.getByRole('button', { name: '1 new message' }).getAttribute('aria-expanded')).toBe('true')
    expect(await screen.findByText('Call me')).toBeTruthy()
    expect(read).toHaveBeenCalledWith('c7', 3)
    expect(screen.queryByRole('textbox')).toBeNull()
  })

  it('takes a message for who did not answer, for a day', async () => {
    vi.spyOn(api, 'listMessages').mockResolvedValue({ items: [], next: null })
    const leave = vi.spyOn(parley, 'leaveMessage').mockResolvedValue()
    alone(missed({ id: 'c8' }), true)
    await userEvent.click(screen.getByRole('button', { name: 'Leave Bela a message' }))
    await userEvent.type(await screen.findByRole('textbox', { name: 'Message to leave' }), 'Hello{Enter}')
    expect(leave).toHaveBeenCalledWith('c8', 'Hello', true)
    cleanup()
    alone(missed({ id: 'c9', ended_at: new Date(Date.now() - 90_000_000).toISOString() }), true)
    expect(screen.queryByRole('button', { name: 'Leave Bela a message' })).toBeNull()
  })
})

describe('a call that goes on without oneself', () => {
  const history = { isPending: false, isError: false, hasNextPage: false } as unknown as History
  const list = (shown: Call) =>
    show(
      <HistoryList
        calls={[shown]}
        history={history}
        meId={ana.id}
        contacts={{ [bela.id]: contact(bela) }}
        named
        empty=""
      />,
    )
  const left = (more: Partial<Call>) =>
    call({
      state: 'active',
      members: [member(ana, 'left'), member(bela, 'joined'), member(cleo, 'joined')],
      ...more,
    })

  it('can be joined again from the history', async () => {
    const answer = vi.spyOn(parley, 'answer').mockReturnValue()
    const open = left({})
    list(open)
    expect(screen.getByText('Still going on')).toBeTruthy()
    await userEvent.click(screen.getByRole('button', { name: 'Join the call with Bela and Cleo' }))
    expect(answer).toHaveBeenCalledWith(open, true)
  })

  it('cannot be joined when it is locked', () => {
    list(left({ locked: true }))
    expect(screen.getByText('Still going on, locked')).toBeTruthy()
    expect(screen.queryByRole('button', { name: /^Join/ })).toBeNull()
  })
})

describe('a call while another one is on', () => {
  it('says that answering pauses the first', () => {
    const second = call({
      id: 'c2',
      started_by: cleo.id,
      members: [member(cleo, 'joined'), member(ana, 'ringing')],
    })
    parley.store.setState({
      world: { ...emptyWorld, me: ana as never, ready: true, calls: { c2: second } },
      session: { people: [bela], call: call({ state: 'active' }) } as never,
    })
    show(<IncomingCall />)
    expect(screen.getByText('Answering pauses your call with Bela.')).toBeTruthy()
    parley.store.setState({ session: null })
  })
})

describe('settings', () => {
  const device = (id: string, current: boolean): SignIn => ({
    id,
    current,
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0',
    created_at: '2026-03-01T10:00:00Z',
    last_seen_at: '2026-03-01T10:00:00Z',
    expires_at: '2026-04-01T10:00:00Z',
  })

  it('end the sign-in of another device, not of this one', async () => {
    vi.spyOn(account, 'listSignIns').mockResolvedValue([device('s2', false), device('s1', true)])
    const revoke = vi.spyOn(account, 'revoke').mockResolvedValue()
    show(<SettingsPage me={ana} />)
    await userEvent.click(await screen.findByRole('button', { name: 'End the sign-in of Firefox on Linux' }))
    expect(revoke).toHaveBeenCalledWith('s2')
  })

  it('say when the password is not right, and delete only after the name is typed', async () => {
    vi.spyOn(account, 'listSignIns').mockResolvedValue([])
    vi.spyOn(account, 'changePassword').mockRejectedValue(new ApiError('wrong_password', '', { status: 403 }))
    show(<SettingsPage me={ana} />)
    await userEvent.type(screen.getByLabelText('Current password'), 'x')
    await userEvent.type(screen.getByLabelText('New password'), 'a short swim in the lake')
    await userEvent.click(screen.getByRole('button', { name: 'Change password' }))
    expect((await screen.findByRole('alert')).textContent).toContain('not your password')
    await userEvent.click(screen.getByRole('button', { name: 'Delete account…' }))
    const sure = screen.getByRole<HTMLButtonElement>('button', { name: 'Delete for ever', hidden: true })
    expect(sure.disabled).toBe(true)
    await userEvent.type(screen.getByLabelText(/^Type your user name/), 'ana')
    await userEvent.type(screen.getByLabelText('Your password'), 'secret')
    expect(sure.disabled).toBe(false)
  })
})

describe('small things of the pages', () => {
  it('the language is the first of the browser’s that there is', () => {
    expect(preferred(['pt-BR', 'fr-CA', 'de'])).toBe('fr')
    expect(preferred(['ja'])).toBe('en')
  })

  it('devices are named by browser and system', () => {
    expect(agentWords('Mozilla/5.0 (Windows NT 10.0) Chrome/156.0 Safari/537.36 Edg/156.0')).toEqual({
      words: 'Edge on Windows',
      phone: false,
    })
    expect(agentWords('curl/8.5').words).toBe('curl')
    expect(agentWords(null).words).toBe('Unknown device')
  })
})
