/* The controller with everything real plugged in, and the hooks that read it. */
import { useStore } from 'zustand'
import { useShallow } from 'zustand/react/shallow'
import { api } from '../api/client'
import type { AppState } from '../call/state'
import type { TabMessage } from '../call/tabs'
import { Controller } from '../call/controller'
import { listDevices, storeChoice, storedChoice, takeDevices } from '../call/devices'
import { Peer } from '../call/peer'
import { screensCanBeShared, takeScreen } from '../call/screen'
import { EventLink } from '../call/socket'
import { Sounds } from '../call/sounds'

const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley')

export const parley = new Controller({
  api,
  makeLink: (handlers) =>
    new EventLink(handlers, { url: `${location.origin.replace(/^http/, 'ws')}/api/v1/events` }),
  makePeer: (iceServers, tracks, handlers) => new Peer(iceServers, tracks, handlers),
  takeDevices: (want, chosen) => takeDevices(want, undefined, chosen),
  takeScreen: screensCanBeShared() ? takeScreen : undefined,
  makeSounds: (speaker, onBlocked) => new Sounds(speaker, onBlocked),
  listDevices,
  choice: { read: storedChoice, store: storeChoice },
  keep: (name) => ({
    read: () => sessionStorage.getItem(name),
    write: (text) => (text === null ? sessionStorage.removeItem(name) : sessionStorage.setItem(name, text)),
  }),
  newId: () => crypto.randomUUID(),
  tabs: channel
    ? {
        post: (message) => channel.postMessage(message),
        listen: (heard) =>
          channel.addEventListener('message', (event: MessageEvent<TabMessage>) => heard(event.data)),
      }
    : undefined,
})

export const useParley = <T>(select: (state: AppState) => T): T => useStore(parley.store, useShallow(select))

for (const change of ['online', 'offline']) addEventListener(change, () => parley.nudge())
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') parley.looked()
})
addEventListener('pageshow', (event) => {
  if (event.persisted) parley.looked()
})
navigator.mediaDevices?.addEventListener?.('devicechange', () => void parley.refreshDevices())
