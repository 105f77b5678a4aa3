import { cleanup } from '@testing-library/react'
import { afterEach } from 'vitest'
import { FakeStream } from './support/fakes'

Object.assign(globalThis, { MediaStream: FakeStream })

afterEach(cleanup)
