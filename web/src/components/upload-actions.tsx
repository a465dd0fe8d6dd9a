import { useState } from 'preact/hooks'
import { problemOf } from '../api/client.ts'
import type { Problem, UploadStatus } from '../api/types.ts'
import { announce, deleteUpload } from '../api/uploads.ts'
import { texts } from '../texts.ts'
import { landedChunks } from '../upload-counts.ts'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { Notice, Permitted, ProblemNotice } from './notice.tsx'

interface Props {
  upload: UploadStatus
  onChanged: () => void
}

/** Announcing again and deleting. */
export function UploadActions(props: Props) {
  return (
    <section aria-labelledby="actions">
      <h2 id="actions">{texts.actions.title}</h2>
      <Permitted permission="operate">
        <Buttons {...props} />
      </Permitted>
    </section>
  )
}

function Buttons({ upload, onChanged }: Props) {
  const words = texts.actions
  const [problem, setProblem] = useState<Problem | null>(null)
  const [done, setDone] = useState('')
  const [isAsking, setAsking] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const act = async (action: () => Promise<unknown>, result: string) => {
    setBusy(true)
    setProblem(null)
    setDone('')
    try {
      await action()
      setDone(result)
      onChanged()
    } catch (error) {
      setProblem(problemOf(error))
    } finally {
      setBusy(false)
    }
  }
  const hasLanded = landedChunks(upload) === upload.total_chunks
  const remove = (force: boolean) => {
    setAsking(false)
    return act(async () => {
      await deleteUpload(upload.upload_id, force)
      document.querySelector('h1')?.focus() // the buttons go with the upload
    }, words.deleted)
  }
  return (
    <>
      <p>{hasLanded ? words.announceLandedHint : words.announceHint}</p>
      <div class="row">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => act(() => announce(upload.upload_id), hasLanded ? words.announcedManifest : words.announced)}
        >
          {words.announce}
        </button>
        <button type="button" class="danger" disabled={isBusy} onClick={() => setAsking(true)}>
          {words.delete}
        </button>
      </div>
      {problem && <ProblemNotice problem={problem} />}
      {problem?.code === 'upload_in_progress' && (
        <button type="button" class="danger" disabled={isBusy} onClick={() => remove(true)}>
          {words.deleteAnyway}
        </button>
      )}
      {done && <Notice kind="success" title={done} />}
      {isAsking && (
        <ConfirmDialog
          title={words.confirmTitle(upload.dataset_name)}
          text={hasLanded ? words.confirmLanded : words.confirmNotLanded}
          confirm={words.confirmDelete}
          onConfirm={() => remove(false)}
          onCancel={() => setAsking(false)}
        />
      )}
    </>
  )
}
