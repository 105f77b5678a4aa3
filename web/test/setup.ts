import { i18n } from '@lingui/core'
import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'
import { FakeStream } from './support/fakes'

Object.assign(globalThis, { MediaStream: FakeStream })

// English is the source: outside a release build the sentences are in the code.
i18n.loadAndActivate({ locale: 'en', messages: {} })

afterEach(cleanup)
