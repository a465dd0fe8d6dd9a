import { useEffect, useRef, useState } from 'preact/hooks'
import type { UploadStatus, UploadSummary } from '../api/types.ts'
import { getStatus } from '../api/uploads.ts'
import { ChunkMap } from '../components/chunk-map.tsx'
import { ChunkTable } from '../components/chunk-table.tsx'
import { LivenessNote } from '../components/liveness-note.tsx'
import { Permitted, ProblemNotice } from '../components/notice.tsx'
import { UploadActions } from '../components/upload-actions.tsx'
import { UploadContent } from '../components/upload-content.tsx'
import { UploadFacts } from '../components/upload-facts.tsx'
import { UploadFailures } from '../components/upload-failures.tsx'
import { UploadSteps } from '../components/upload-steps.tsx'
import { View } from '../components/view.tsx'
import { useLiveUploads, useLoaded } from '../hooks.ts'
import { texts } from '../texts.ts'
import { landedChunks } from '../upload-counts.ts'

/** An upload with its chunks is asked for at most this often, however fast they change: the answer grows with them. */
const LEAST_PAUSE_MS = 1_000
const PAUSE_PER_CHUNK_MS = 2

/** One upload: how far it is, what is wrong, what is in it. */
export function UploadView({ uploadId }: { uploadId: string }) {
  return (
    <View title={texts.titles.upload} detail={uploadId}>
      <Permitted permission="read">
        <Followed uploadId={uploadId} />
      </Permitted>
    </View>
  )
}

function Followed({ uploadId }: { uploadId: string }) {
  const { data, problem, isLoading, reload } = useLoaded(uploadId, (signal) => getStatus(uploadId, signal))
  const reloadSoon = useThrottled(reload, Math.max(LEAST_PAUSE_MS, PAUSE_PER_CHUNK_MS * (data?.total_chunks ?? 0)))
  const [news, setNews] = useState('')
  const onUpload = (upload: UploadSummary) => {
    setNews(texts.upload.progress(upload.status, landedChunks(upload), upload.total_chunks))
    reloadSoon()
  }
  const liveness = useLiveUploads({ upload_id: uploadId }, { onUpload, onMissed: reloadSoon })
  return (
    <>
      <LivenessNote liveness={liveness} news={news} />
      {problem && <ProblemNotice problem={problem} onRetry={reload} />}
      {isLoading && <p class="loading">{texts.loading}</p>}
      {data && <Details upload={data} onChanged={reload} />}
    </>
  )
}

function Details({ upload, onChanged }: { upload: UploadStatus; onChanged: () => void }) {
  return (
    <>
      <UploadSteps upload={upload} />
      <UploadFailures upload={upload} />
      <UploadFacts upload={upload} />
      <section aria-labelledby="chunks">
        <h2 id="chunks">{texts.chunks.title}</h2>
        <ChunkMap upload={upload} />
        <ChunkTable chunks={upload.chunks} />
      </section>
      {upload.status !== 'aborted' && (
        <>
          <UploadContent uploadId={upload.upload_id} isLanded={upload.status === 'landed'} />
          <UploadActions upload={upload} onChanged={onChanged} />
        </>
      )}
    </>
  )
}

/** Return a function that calls `action` immediately, and once more after a pause if it was called in between. */
function useThrottled(action: () => void, pauseMs: number): () => void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const isWanted = useRef(false)
  useEffect(() => () => clearTimeout(timer.current), [])
  const call = () => {
    if (timer.current !== undefined) {
      isWanted.current = true
      return
    }
    isWanted.current = false
    action()
    timer.current = setTimeout(() => {
      timer.current = undefined
      if (isWanted.current) call()
    }, pauseMs)
  }
  return call
}
