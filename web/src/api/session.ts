import { request } from './client.ts'
import type { Session } from './types.ts'

export const getSession = (signal?: AbortSignal) => request<Session>('session', signal ? { signal } : {})

export const signIn = (key: string) => request<Session>('session', { method: 'POST', json: { key } })

export const signOut = () => request<void>('session', { method: 'DELETE' })
