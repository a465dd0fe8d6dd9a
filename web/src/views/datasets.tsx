import { listDatasets } from '../api/datasets.ts'
import type { DatasetList, DatasetSummary } from '../api/types.ts'
import { Moment } from '../components/moment.tsx'
import { Notice, Permitted, ProblemNotice } from '../components/notice.tsx'
import { NumberColumn } from '../components/number-column.tsx'
import { ScrollArea } from '../components/scroll-area.tsx'
import { StateBadge } from '../components/state-badge.tsx'
import { View } from '../components/view.tsx'
import { formatBytes, formatCount } from '../format/numbers.ts'
import { useLoaded } from '../hooks.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'

/** All datasets that the key may see. */
export function DatasetsView({ cursor }: { cursor: string }) {
  return (
    <View title={texts.titles.datasets}>
      <Permitted permission="read">
        <List cursor={cursor} />
      </Permitted>
    </View>
  )
}

function List({ cursor }: { cursor: string }) {
  const { data, problem, isLoading, reload } = useLoaded(`datasets ${cursor}`, (signal) => listDatasets(cursor, signal))
  return (
    <>
      {problem && <ProblemNotice problem={problem} onRetry={reload} />}
      {isLoading && <p class="loading">{texts.loading}</p>}
      {data && <Page page={data} cursor={cursor} />}
    </>
  )
}

function Page({ page, cursor }: { page: DatasetList; cursor: string }) {
  const words = texts.datasets
  if (page.datasets.length === 0) {
    return (
      <Notice kind="info">
        <p>{words.empty}</p>
        <p>
          <a href={addresses.send()}>{texts.uploads.sendOne}</a>
        </p>
      </Notice>
    )
  }
  return (
    <>
      <ScrollArea label={words.caption}>
        <table>
          <caption class="visually-hidden">{words.caption}</caption>
          <thead>
            <tr>
              <th scope="col">{words.columns.dataset}</th>
              <NumberColumn>{words.columns.uploads}</NumberColumn>
              <NumberColumn>{words.columns.landed}</NumberColumn>
              <NumberColumn>{words.columns.failed}</NumberColumn>
              <NumberColumn>{words.columns.rows}</NumberColumn>
              <NumberColumn>{words.columns.size}</NumberColumn>
              <th scope="col">{words.columns.last}</th>
            </tr>
          </thead>
          <tbody>
            {page.datasets.map((dataset) => (
              <Row key={dataset.name} dataset={dataset} />
            ))}
          </tbody>
        </table>
      </ScrollArea>
      {(cursor !== '' || page.next_cursor) && (
        <nav class="pages" aria-label={texts.uploads.pages}>
          {cursor !== '' && <a href={addresses.datasets()}>{words.first}</a>}
          {page.next_cursor && <a href={addresses.datasets(page.next_cursor)}>{words.more}</a>}
        </nav>
      )}
    </>
  )
}

function Row({ dataset }: { dataset: DatasetSummary }) {
  return (
    <tr>
      <th scope="row">
        <a href={addresses.dataset(dataset.name)}>{dataset.name}</a>
      </th>
      <td class="number">{formatCount(dataset.uploads)}</td>
      <td class="number">{formatCount(dataset.landed)}</td>
      <td class="number">{formatCount(dataset.failed)}</td>
      <td class="number">{formatCount(dataset.rows)}</td>
      <td class="number">{formatBytes(dataset.size_bytes)}</td>
      <td>
        <a href={addresses.upload(dataset.last_upload.upload_id)}>
          <Moment iso={dataset.last_upload.created_at} />
        </a>{' '}
        <StateBadge state={dataset.last_upload.status} />
      </td>
    </tr>
  )
}
