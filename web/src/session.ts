/** Who uses the page, and what the key permits. */

import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Permission, Session } from './api/types.ts'

export interface SessionAccess {
  session: Session
  /** Set a session that the service has just returned. */
  replace: (session: Session) => void
  /** Ask the service again, as after an answer that no key is known. */
  refresh: () => void
}

export const SessionContext = createContext<SessionAccess | null>(null)

/** Return the session; only below `App`, which does not show a view before it is known. */
export function useSession(): SessionAccess {
  const access = useContext(SessionContext)
  if (access === null) throw new Error('no session above this component')
  return access
}

/** Return whether `session` may use the views at all. */
export function isSignedIn(session: Session): boolean {
  return session.access === 'open' || session.key !== null
}

/** Return whether `session` has a permission. Where no key is needed, everyone has all of them. */
export function permits(session: Session, permission: Permission): boolean {
  return session.key === null ? session.access === 'open' : session.key.permissions.includes(permission)
}

/** Return the view to begin with. */
export function startAddress(session: Session): '#/send' | '#/uploads' {
  return permits(session, 'upload') ? '#/send' : '#/uploads'
}
