import type { UploadStatus } from '../api/types.ts'
import { formatDuration, secondsBetween } from '../format/times.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { describeStates } from '../upload-counts.ts'
import { Moment } from './moment.tsx'
import { StateBadge } from './state-badge.tsx'

/** What `csvpipe status` prints above its table. */
export function UploadFacts({ upload }: { upload: UploadStatus }) {
  const { facts } = texts
  const deviations = upload.accepted_deviations
  return (
    <dl class="facts">
      {upload.source_filename && (
        <>
          <dt>{facts.file}</dt>
          <dd>{upload.source_filename}</dd>
        </>
      )}
      <dt>{facts.dataset}</dt>
      <dd>
        <a href={addresses.dataset(upload.dataset_name)}>{upload.dataset_name}</a>
      </dd>
      <dt>{facts.status}</dt>
      <dd>
        <StateBadge state={upload.status} /> {describeStates(upload)}
      </dd>
      <dt>{facts.source}</dt>
      <dd>
        {facts.rowsAndSize(upload.row_count, upload.size_bytes)}
        {upload.compression && `, ${upload.compression}`}
        <br />
        sha256 <code>{upload.sha256}</code>
      </dd>
      {deviations && (
        <>
          <dt>{facts.accepted}</dt>
          <dd>{facts.deviations(deviations.surplus_empty_cells, deviations.blank_last_lines)}</dd>
        </>
      )}
      <dt>{facts.created}</dt>
      <dd>
        <Moment iso={upload.created_at} />
      </dd>
      {upload.landed_at && (
        <>
          <dt>{facts.landed}</dt>
          <dd>
            <Moment iso={upload.landed_at} />{' '}
            {facts.afterCreation(formatDuration(secondsBetween(upload.created_at, upload.landed_at)))}
          </dd>
        </>
      )}
    </dl>
  )
}
