import { i18n } from '@lingui/core'
import { I18nProvider } from '@lingui/react'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import type { ReactNode } from 'react'
import { MemoryRouter } from 'react-router'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { account } from '../src/api/account'
import { ApiError } from '../src/api/client'
import type { Contact } from '../src/api/types'
import { emptyWorld } from '../src/call/model'
import { SignIn, SignUp } from '../src/features/auth/AuthPage'
import { ContactList, sortContacts } from '../src/features/home/ContactList'
import { IncomingCall } from '../src/features/ringing/IncomingCall'
import { troubleOf } from '../src/features/stage/DeviceTrouble'
import { bestGrid } from '../src/features/stage/grid'
import { parley } from '../src/state/parley'
import { initialsOf } from '../src/ui/Avatar'
import { ana, bela, call, contact, member, user } from './support/fakes'

const show = (children: ReactNode) =>
  render(
    <I18nProvider i18n={i18n}>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>{children}</MemoryRouter>
      </QueryClientProvider>
    </I18nProvider>,
  )

beforeEach(() => {
  vi.spyOn(account, 'server').mockResolvedValue({ version: '1', signups: 'open', password_min: 15 })
  parley.store.setState({ world: { ...emptyWorld, me: ana, ready: true }, session: null })
})

describe('signing in', () => {
  it('says that name and password do not match', async () => {
    vi.spyOn(parley, 'signIn').mockRejectedValue(new ApiError('bad_credentials', 'No.', { status: 401 }))
    show(<SignIn />)
    await userEvent.type(screen.getByLabelText('Username'), 'Ana')
    await userEvent.type(screen.getByLabelText('Password'), 'wrong')
    await userEvent.click(screen.getByRole('button', { name: 'Sign in' }))
    expect(parley.signIn).toHaveBeenCalledWith('ana', 'wrong')
    expect((await screen.findByRole('alert')).textContent).toContain('do not match')
    expect(screen.getByRole('link', { name: 'Create account' })).toBeTruthy()
  })

  it('points at the field that is wrong', async () => {
    vi.spyOn(parley, 'signUp').mockRejectedValue(new ApiError('username_taken', 'Taken.', { status: 409 }))
    show(<SignUp />)
    await userEvent.click(screen.getByRole('button', { name: 'Create account' }))
    await screen.findByRole('alert')
    expect(screen.getByLabelText('Username').getAttribute('aria-invalid')).toBe('true')
  })
})

describe('contacts', () => {
  const selection = { ids: new Set<string>(), toggle: vi.fn() }
  const list = (contacts: Contact[]) =>
    show(
      <ContactList
        contacts={contacts}
        last={new Map()}
        unread={new Map()}
        meId={ana.id}
        ready
        selection={selection}
        onAdd={() => undefined}
      />,
    )

  it('can be called from the list', async () => {
    const start = vi.spyOn(parley, 'startCall').mockReturnValue()
    list([contact(bela)])
    await userEvent.click(screen.getByRole('button', { name: 'Video call Bela' }))
    await userEvent.click(screen.getByRole('button', { name: 'Audio call Bela' }))
    expect(start.mock.calls).toEqual([
      [bela, true],
      [bela, false],
    ])
  })

  it('ask before they are contacts', async () => {
    const add = vi.spyOn(parley, 'addContact').mockResolvedValue()
    list([contact(bela, { state: 'incoming' })])
    expect(screen.queryByRole('button', { name: 'Video call Bela' })).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Accept' }))
    expect(add).toHaveBeenCalledWith(bela.id)
  })

  it('say what to do when there are none', () => {
    list([])
    expect(screen.getByText('Nobody here yet')).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Add contact' })).toBeTruthy()
  })

  it('are sorted by who can be reached', () => {
    const cleo = user('3', 'Cleo')
    const dan = user('4', 'Dan')
    const sorted = sortContacts([
      contact(bela, { presence: 'offline' }),
      contact(dan, { presence: 'offline', favourite: true }),
      contact(cleo),
    ])
    expect(sorted.map(({ user: who }) => who.display_name)).toEqual(['Dan', 'Cleo', 'Bela'])
  })
})

describe('an incoming call', () => {
  const ringing = call({ started_by: bela.id, members: [member(bela, 'joined'), member(ana, 'ringing')] })

  it('can be answered, with or without video, or declined', async () => {
    const answer = vi.spyOn(parley, 'answer').mockReturnValue()
    const decline = vi.spyOn(parley, 'decline').mockResolvedValue()
    parley.store.setState({ world: { ...emptyWorld, me: ana, ready: true, calls: { c1: ringing } } })
    show(<IncomingCall />)
    expect(screen.getByRole('dialog', { name: 'Incoming call' })).toBeTruthy()
    expect(document.title).toBe('Bela is calling…')
    await userEvent.click(screen.getByRole('button', { name: 'Answer' }))
    await userEvent.click(screen.getByRole('button', { name: 'Audio-only answer' }))
    await userEvent.click(screen.getByRole('button', { name: 'Decline' }))
    expect(answer.mock.calls).toEqual([
      [ringing, true],
      [ringing, false],
    ])
    expect(decline).toHaveBeenCalledWith(ringing)
  })
})

describe('small things', () => {
  it('tiles waste little space', () => {
    expect(bestGrid(1, 1280, 700)).toEqual({ columns: 1, rows: 1 })
    expect(bestGrid(2, 1280, 600)).toEqual({ columns: 2, rows: 1 })
    expect(bestGrid(2, 390, 700)).toEqual({ columns: 1, rows: 2 })
    expect(bestGrid(4, 1280, 700)).toEqual({ columns: 2, rows: 2 })
    expect(bestGrid(9, 1280, 720)).toEqual({ columns: 3, rows: 3 })
  })

  it('device trouble is told one at a time, or together', () => {
    expect(troubleOf({ microphone: 'on', camera: 'on' })).toBeNull()
    expect(troubleOf({ microphone: 'on', camera: 'refused' })).toMatchObject({
      title: 'Camera refused',
      without: 'Join without video',
    })
    expect(troubleOf({ microphone: 'refused', camera: 'refused' })?.title).toBe(
      'Camera and microphone refused',
    )
    expect(troubleOf({ microphone: 'none', camera: 'off' })?.title).toBe('No microphone found')
    expect(troubleOf({ microphone: 'refused', camera: 'off' })?.tap).toBe(false)
    expect(troubleOf({ microphone: 'interrupted', camera: 'on' })).toMatchObject({
      title: 'Microphone interrupted',
      kinds: ['microphone'],
      tap: true,
    })
  })

  it('initials come from the first and the last word', () => {
    expect(initialsOf('Fatima Zahra El Idrissi')).toBe('FI')
    expect(initialsOf('bela')).toBe('B')
    expect(initialsOf('  ')).toBe('')
  })
})
