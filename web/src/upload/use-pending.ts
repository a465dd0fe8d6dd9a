/** The unfinished uploads that are not being sent. */

import { useCallback, useState } from 'preact/hooks'
import { useSession } from '../session.ts'
import { forgetPending, listPending, type PendingUpload } from './pending.ts'
import { theSender, useSendings } from './use-sender.ts'

/** Return the unfinished uploads, and a function that removes one, also from the service. */
export function usePending(): { pending: PendingUpload[]; giveUp: (pending: PendingUpload) => void } {
  const { session } = useSession()
  useSendings() // what is sent is not pending
  const [, setRound] = useState(0)
  const giveUp = useCallback((each: PendingUpload) => {
    forgetPending(each.address)
    void fetch(each.address, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } }).catch(() => undefined) // else it expires
    setRound((count) => count + 1)
  }, [])
  const all = safely(() => listPending(session.limits.resumable_expiry_hours))
  const pending = all.filter((each) => !theSender().isSending(each.address))
  return { pending, giveUp }
}

/** A browser may keep nothing, as in a private window. */
function safely(list: () => PendingUpload[]): PendingUpload[] {
  try {
    return list()
  } catch {
    return []
  }
}
