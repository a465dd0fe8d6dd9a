import { useState } from 'preact/hooks'
import type { UploadPage, UploadSummary } from '../api/types.ts'
import { listUploads, PAGE_SIZE, type UploadFilter } from '../api/uploads.ts'
import { LivenessNote } from '../components/liveness-note.tsx'
import { Notice, Permitted, ProblemNotice } from '../components/notice.tsx'
import { UploadFilterForm } from '../components/upload-filter.tsx'
import { UploadTable } from '../components/upload-table.tsx'
import { View } from '../components/view.tsx'
import { useLiveUploads, useLoaded } from '../hooks.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { mergeUpload } from '../upload-counts.ts'

/** A page that has grown to this by new uploads is loaded again, as long as at first. */
const MOST_LISTED = 4 * PAGE_SIZE

interface Props extends UploadFilter {
  cursor: string
}

/** All uploads that the key may see, filtered, live. */
export function UploadsView(props: Props) {
  return (
    <View title={texts.titles.uploads}>
      <Permitted permission="read">
        <UploadList {...props} />
      </Permitted>
    </View>
  )
}

function UploadList({ dataset, status, cursor }: Props) {
  const filter = { dataset, status }
  const { data, problem, isLoading, reload, update } = useLoaded(
    JSON.stringify([dataset, status, cursor]),
    (signal): Promise<UploadPage> => listUploads(filter, cursor, signal),
  )
  const [news, setNews] = useState('')
  const merge = (upload: UploadSummary) => {
    const isKnown = data?.uploads.some((each) => each.upload_id === upload.upload_id) ?? false
    const words = texts.uploads
    setNews(isKnown ? words.changed(upload.dataset_name, upload.status) : words.added(upload.dataset_name))
    if (data && data.uploads.length >= MOST_LISTED) return reload()
    update((page) => ({ ...page, uploads: mergeUpload(page.uploads, upload, { filter, isFirstPage: cursor === '' }) }))
  }
  const liveness = useLiveUploads(dataset ? { dataset } : {}, { onUpload: merge, onMissed: reload })
  return (
    <>
      <UploadFilterForm dataset={dataset} status={status} />
      <LivenessNote liveness={liveness} news={news} />
      {problem && <ProblemNotice problem={problem} onRetry={reload} />}
      {isLoading && <p class="loading">{texts.loading}</p>}
      {data && <Page page={data} filter={filter} cursor={cursor} />}
    </>
  )
}

function Page({ page, filter, cursor }: { page: UploadPage; filter: UploadFilter; cursor: string }) {
  const isFiltered = filter.dataset !== '' || filter.status !== ''
  if (page.uploads.length === 0 && cursor === '') {
    return (
      <Notice kind="info">
        <p>{isFiltered ? texts.uploads.emptyFiltered : texts.uploads.empty}</p>
        <p>
          <a href={isFiltered ? addresses.uploads() : addresses.send()}>
            {isFiltered ? texts.uploads.clear : texts.uploads.sendOne}
          </a>
        </p>
      </Notice>
    )
  }
  return (
    <>
      <UploadTable uploads={page.uploads} />
      {(cursor !== '' || page.next_cursor) && (
        <nav class="pages" aria-label={texts.uploads.pages}>
          {cursor !== '' && <a href={addresses.uploads({ ...filter })}>{texts.uploads.newest}</a>}
          {page.next_cursor && (
            <a href={addresses.uploads({ ...filter, cursor: page.next_cursor })}>{texts.uploads.older}</a>
          )}
        </nav>
      )}
    </>
  )
}
