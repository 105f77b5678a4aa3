import { t } from '@lingui/core/macro'
import { useEffect, useRef, useState } from 'react'
import { ApiError } from '../../api/client'
import { problemSentence } from '../../call/sentences'

export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error)
  if (error.code === 'wrong_password') return t`That is not your password.`
  if (error.code === 'body_too_large') return t`This file is too large. Choose one of at most 5 megabytes.`
  if (error.code === 'unsupported_media_type' || error.field === 'body')
    return t`This is no picture that Parley can use. Choose a PNG, JPEG or WebP file.`
  return problemSentence(error)
}

/** One thing at a time: is it under way, did it work, and if not, what to say. */
export function useWork() {
  const [busy, setBusy] = useState(false)
  const [done, setDone] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const alive = useRef(true)
  useEffect(() => {
    alive.current = true
    return () => void (alive.current = false)
  }, [])
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true)
    setDone(false)
    setProblem(null)
    try {
      await work()
      if (alive.current) setDone(true)
      return true
    } catch (error) {
      if (alive.current) setProblem(explain(error))
      return false
    } finally {
      if (alive.current) setBusy(false)
    }
  }
  return { busy, done, problem, run, forget: () => setDone(false) }
}
