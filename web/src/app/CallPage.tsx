/* The call: the stage, and what other features put beside it. */
import type { User } from '../api/types'
import { ChatPanel } from '../features/chat/ChatPanel'
import { DeviceMenu } from '../features/devices/DeviceMenu'
import { DevicePanel } from '../features/devices/DevicePanel'
import { PeoplePanel } from '../features/people/PeoplePanel'
import type { Parts } from '../features/stage/CallScreen'
import { CallScreen } from '../features/stage/CallScreen'

const parts: Parts = { chat: <ChatPanel />, people: <PeoplePanel />, devices: <DevicePanel />, DeviceMenu }

export default function CallPage({ me }: { me: User }) {
  return <CallScreen me={me} parts={parts} />
}
