import { useState } from 'preact/hooks'
import { texts } from '../texts.ts'
import type { PendingUpload } from '../upload/pending.ts'
import { theSender } from '../upload/use-sender.ts'
import { FileField } from './file-picker.tsx'
import { Moment } from './moment.tsx'
import { Notice } from './notice.tsx'

const words = texts.pending

interface Props {
  pending: readonly PendingUpload[]
  onFiles: (files: File[]) => void
  onGiveUp: (pending: PendingUpload) => void
}

/** The files whose sending was interrupted by a reload: a page cannot open them again by itself. */
export function PendingList({ pending, onFiles, onGiveUp }: Props) {
  const [other, setOther] = useState('')
  if (pending.length === 0) return null
  const choose = (wanted: PendingUpload) => (files: File[]) => {
    const isOther = files.some((file) => theSender().findPending(file, [wanted]) === undefined)
    setOther(isOther ? words.other(wanted.filename) : '')
    onFiles(files)
  }
  return (
    <section aria-labelledby="pending">
      <h2 id="pending">{words.title}</h2>
      <p>{words.intro}</p>
      {other && <Notice kind="warning" title={other} />}
      <ul class="pending">
        {pending.map((each) => (
          <li key={each.storageKey}>
            <p>
              {words.file(each.filename, each.sizeBytes, each.dataset)}, {words.begun} <Moment iso={each.begunAt} />
            </p>
            <div class="row">
              <FileField id={`again-${each.storageKey}`} label={words.choose(each.filename)} onFiles={choose(each)} />
              <button type="button" onClick={() => onGiveUp(each)}>
                {words.giveUp(each.filename)}
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}
