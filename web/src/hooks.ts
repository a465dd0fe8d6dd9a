/** What views share: loading, live changes, the route. */

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { problemOf } from './api/client.ts'
import { type EventFilter, listen } from './api/events.ts'
import type { Problem, UploadSummary } from './api/types.ts'
import { parseRoute, type Route } from './router.ts'
import { useSession } from './session.ts'

export interface Loaded<T> {
  data: T | null
  problem: Problem | null
  isLoading: boolean
  reload: () => void
  /** Change the data that is shown, as after an event. */
  update: (change: (data: T) => T) => void
}

/** Load data when `key` changes and when `reload` is called; `null` as key loads nothing. */
export function useLoaded<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const { refresh } = useSession()
  const [state, setState] = useState<{ key: string | null; data: T | null; problem: Problem | null }>(EMPTY)
  const { round, isLoading, reload, finish } = useRounds()
  const loader = useRef(load)
  loader.current = load
  useEffect(() => {
    if (key === null) return
    const controller = new AbortController()
    isLoading.current = true
    loader
      .current(controller.signal)
      .then(
        (data) => {
          if (!controller.signal.aborted) setState({ key, data, problem: null })
        },
        (error: unknown) => {
          if (controller.signal.aborted) return
          const problem = problemOf(error)
          if (problem.code === 'unauthenticated') refresh()
          setState((old) => ({ key, data: old.key === key ? old.data : null, problem }))
        },
      )
      .then(() => {
        if (!controller.signal.aborted) finish()
      })
    return () => controller.abort()
  }, [key, round, refresh, isLoading, finish])
  const isCurrent = state.key === key
  return {
    data: isCurrent ? state.data : null,
    problem: isCurrent ? state.problem : null,
    isLoading: key !== null && !isCurrent,
    reload,
    update: useCallback((change) => {
      setState((old) => (old.data === null ? old : { ...old, data: change(old.data) }))
    }, []),
  }
}

/** Count rounds of loading; a reload while one runs begins the next when it has ended. */
function useRounds() {
  const [round, setRound] = useState(0)
  const isLoading = useRef(false)
  const isWanted = useRef(false)
  const reload = useCallback(() => {
    if (isLoading.current) isWanted.current = true
    else setRound((count) => count + 1)
  }, [])
  const finish = useCallback(() => {
    isLoading.current = false
    if (!isWanted.current) return
    isWanted.current = false
    setRound((count) => count + 1)
  }, [])
  return { round, isLoading, reload, finish }
}

const EMPTY = { key: null, data: null, problem: null }

export type Liveness = 'connecting' | 'live' | 'polling'

const POLL_INTERVAL_MS = 5_000

interface LiveHandlers {
  onUpload: (upload: UploadSummary) => void
  /** Called when changes may have been missed. */
  onMissed: () => void
}

/** Listen for changes of uploads; without a stream, `onMissed` is called every few seconds instead. */
export function useLiveUploads(filter: EventFilter | null, handlers: LiveHandlers): Liveness {
  const [liveness, setLiveness] = useState<Liveness>('connecting')
  const current = useRef(handlers)
  current.current = handlers
  const key = JSON.stringify(filter)
  useEffect(() => {
    const wanted = JSON.parse(key) as EventFilter | null
    if (wanted === null) return
    return listen(wanted, {
      onReady: () => {
        setLiveness('live')
        current.current.onMissed()
      },
      onUpload: (upload) => current.current.onUpload(upload),
      onBroken: (willRetry) => setLiveness(willRetry ? 'connecting' : 'polling'),
    })
  }, [key])
  useEffect(() => {
    if (liveness === 'live') return
    const timer = setInterval(() => document.hidden || current.current.onMissed(), POLL_INTERVAL_MS)
    return () => clearInterval(timer)
  }, [liveness])
  return liveness
}

/** Return the route of the address, also after it changes. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash)
  useEffect(() => {
    const follow = () => setHash(location.hash)
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return parseRoute(hash)
}
