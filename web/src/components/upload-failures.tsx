import type { UploadStatus } from '../api/types.ts'
import { failuresOf } from '../chunk-cells.ts'
import { texts } from '../texts.ts'
import { Notice } from './notice.tsx'

const MOST_REASONS = 5

/** Why chunks have not landed, and what to do. */
export function UploadFailures({ upload }: { upload: UploadStatus }) {
  const failures = failuresOf(upload.chunks)
  const words = texts.failures
  if (upload.status === 'aborted') return <Notice kind="info" title={words.deleted} />
  if (failures.length === 0 && !upload.error) {
    return upload.status === 'awaiting_kafka' ? (
      <Notice kind="info">
        <p>{words.awaitingKafka}</p>
      </Notice>
    ) : null
  }
  return (
    <Notice kind={upload.final ? 'problem' : 'warning'} title={words.title(upload.final)}>
      {failures.length > 0 ? (
        <ul>
          {failures.slice(0, MOST_REASONS).map((failure) => (
            <li key={failure.error}>{words.chunks(failure.chunks, failure.error || words.noReason)}</li>
          ))}
          {failures.length > MOST_REASONS && <li>{words.more(failures.length - MOST_REASONS)}</li>}
        </ul>
      ) : (
        <p>{upload.error}</p>
      )}
      <p>{upload.final ? words.announceAgain : words.nothingToDo}</p>
    </Notice>
  )
}
