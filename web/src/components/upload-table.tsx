import type { UploadSummary } from '../api/types.ts'
import { formatBytes, formatCount } from '../format/numbers.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { landedChunks } from '../upload-counts.ts'
import { Moment } from './moment.tsx'
import { NumberColumn } from './number-column.tsx'
import { ScrollArea } from './scroll-area.tsx'
import { StateBadge } from './state-badge.tsx'

/** Uploads as `csvpipe list` shows them. */
export function UploadTable({ uploads }: { uploads: UploadSummary[] }) {
  const { columns, uploads: words } = texts
  return (
    <ScrollArea label={words.caption}>
      <table>
        <caption class="visually-hidden">{words.caption}</caption>
        <thead>
          <tr>
            <th scope="col">{columns.upload}</th>
            <th scope="col">{columns.file}</th>
            <th scope="col">{columns.dataset}</th>
            <th scope="col">{columns.status}</th>
            <NumberColumn>{columns.rows}</NumberColumn>
            <NumberColumn>{columns.size}</NumberColumn>
            <NumberColumn>{columns.chunks}</NumberColumn>
            <th scope="col">{columns.created}</th>
          </tr>
        </thead>
        <tbody>
          {uploads.map((upload) => (
            <UploadRow key={upload.upload_id} upload={upload} />
          ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}

function UploadRow({ upload }: { upload: UploadSummary }) {
  return (
    <tr>
      <th scope="row">
        <a class="id" href={addresses.upload(upload.upload_id)}>
          {upload.upload_id}
        </a>
      </th>
      <td class="file-name">
        <span>{upload.source_filename}</span>
      </td>
      <td>
        <a href={addresses.dataset(upload.dataset_name)}>{upload.dataset_name}</a>
      </td>
      <td>
        <StateBadge state={upload.status} />
      </td>
      <td class="number">{formatCount(upload.row_count)}</td>
      <td class="number">{formatBytes(upload.size_bytes)}</td>
      <td class="number">{texts.uploads.landedOf(landedChunks(upload), upload.total_chunks)}</td>
      <td>
        <Moment iso={upload.created_at} />
      </td>
    </tr>
  )
}
