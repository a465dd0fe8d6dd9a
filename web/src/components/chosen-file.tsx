import { useEffect, useState } from 'preact/hooks'
import { previewFile } from '../api/preview.ts'
import type { Preview } from '../api/types.ts'
import { formatBytes } from '../format/numbers.ts'
import { useLoaded } from '../hooks.ts'
import { useSession } from '../session.ts'
import { texts } from '../texts.ts'
import type { ChosenFile } from '../upload/chosen.ts'
import { faultsOf, type SendOptions } from '../upload/options.ts'
import { Notice, ProblemNotice } from './notice.tsx'
import { PreviewDetails } from './preview-details.tsx'

const TYPING_PAUSE_MS = 400
const BYTES_PER_MB = 1024 * 1024

interface Props {
  chosen: ChosenFile
  options: SendOptions
  onRemove: () => void
}

/** A file that was chosen, with what its beginning tells. */
export function ChosenFileCard({ chosen: { id, file }, options, onRemove }: Props) {
  const { session } = useSession()
  const limitMb = session.limits.max_file_size_mb
  const preview = usePreview(id, file, options)
  return (
    <article class="card" aria-label={file.name}>
      <div class="card-head">
        <h3>
          {file.name} <span class="heading-detail">{formatBytes(file.size)}</span>
        </h3>
        <button type="button" aria-label={texts.send.removeFile(file.name)} onClick={onRemove}>
          {texts.send.remove}
        </button>
      </div>
      {file.size > limitMb * BYTES_PER_MB && <Notice kind="problem" title={texts.send.tooLarge(limitMb)} />}
      {preview.problem && <ProblemNotice problem={preview.problem} onRetry={preview.reload} />}
      {!preview.data && !preview.problem && <p class="loading">{texts.preview.reading}</p>}
      {preview.data && <PreviewDetails name={file.name} preview={preview.data} />}
    </article>
  )
}

/** Ask for a preview again when the options have not changed for a moment; the last one stays until then. */
function usePreview(id: string, file: File, options: SendOptions) {
  const { session } = useSession()
  const permitted = session.key?.datasets ?? ['*']
  const isDatasetKnown = !faultsOf(options, permitted).some((fault) => fault.startsWith('dataset'))
  const query = {
    filename: file.name,
    dataset_name: isDatasetKnown ? options.dataset : '',
    delimiter: options.delimiter,
    encoding: options.encoding.trim(),
    strict: options.strict,
  }
  const settled = useSettled(JSON.stringify([id, query]))
  const loaded = useLoaded(settled, (signal) =>
    previewFile(file, JSON.parse(settled)[1] as typeof query, session.limits.preview_bytes, signal),
  )
  const [last, setLast] = useState<Preview | null>(null)
  useEffect(() => {
    if (loaded.data) setLast(loaded.data)
  }, [loaded.data])
  return { ...loaded, data: loaded.data ?? (loaded.problem ? null : last) }
}

/** Return `value` when it has not changed for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
