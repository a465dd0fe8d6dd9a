/** The sender of this page, for views: sending goes on while another view is shown. */

import { useEffect, useState } from 'preact/hooks'
import { Sender } from './sender.ts'
import { isActive, type Sending } from './sending.ts'

let sender: Sender | null = null

/** Return the one sender. */
export function theSender(): Sender {
  if (sender === null) {
    sender = new Sender()
    const only = sender
    addEventListener('beforeunload', (event) => {
      if (only.sendings.some(isActive)) event.preventDefault()
    })
  }
  return sender
}

/** Return the files that are sent, also after they change. */
export function useSendings(): readonly Sending[] {
  const [sendings, setSendings] = useState(theSender().sendings)
  useEffect(() => {
    const follow = () => setSendings(theSender().sendings)
    follow()
    return theSender().subscribe(follow)
  }, [])
  return sendings
}
