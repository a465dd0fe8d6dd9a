import { getDataset } from '../api/datasets.ts'
import type { DatasetDetail } from '../api/types.ts'
import { ColumnChanges } from '../components/column-changes.tsx'
import { Moment } from '../components/moment.tsx'
import { Permitted, ProblemNotice } from '../components/notice.tsx'
import { StateBadge } from '../components/state-badge.tsx'
import { View } from '../components/view.tsx'
import { formatBytes, formatCount } from '../format/numbers.ts'
import { useLoaded } from '../hooks.ts'
import { addresses } from '../router.ts'
import { permits, useSession } from '../session.ts'
import { texts } from '../texts.ts'

/** One dataset: totals, columns, and how they have changed. */
export function DatasetView({ name }: { name: string }) {
  return (
    <View title={texts.titles.dataset} detail={name}>
      <Permitted permission="read">
        <Loaded name={name} />
      </Permitted>
    </View>
  )
}

function Loaded({ name }: { name: string }) {
  const { data, problem, isLoading, reload } = useLoaded(name, (signal) => getDataset(name, signal))
  return (
    <>
      {problem && <ProblemNotice problem={problem} onRetry={reload} />}
      {isLoading && <p class="loading">{texts.loading}</p>}
      {data && <Details dataset={data} />}
    </>
  )
}

function Details({ dataset }: { dataset: DatasetDetail }) {
  const words = texts.datasets
  const { session } = useSession()
  return (
    <>
      <dl class="facts">
        <dt>{words.columns.uploads}</dt>
        <dd>{words.totals(dataset.uploads, dataset.landed, dataset.failed)}</dd>
        <dt>{words.columns.landed}</dt>
        <dd>{texts.facts.rowsAndSize(dataset.rows, dataset.size_bytes)}</dd>
        <dt>{words.columns.last}</dt>
        <dd>
          <a href={addresses.upload(dataset.last_upload.upload_id)}>
            <Moment iso={dataset.last_upload.created_at} />
          </a>{' '}
          <StateBadge state={dataset.last_upload.status} />{' '}
          {`${formatCount(dataset.last_upload.row_count)} ${texts.columns.rows}, ${formatBytes(dataset.last_upload.size_bytes)}`}
        </dd>
      </dl>
      <p class="row">
        <a href={addresses.uploads({ dataset: dataset.name })}>{words.itsUploads}</a>
        {permits(session, 'upload') && <a href={addresses.send(dataset.name)}>{words.sendTo}</a>}
      </p>
      <section aria-labelledby="columns">
        <h2 id="columns">{words.header(dataset.header.length)}</h2>
        <ol class="columns">
          {dataset.header.map((column, index) => (
            <li key={index}>{column}</li>
          ))}
        </ol>
      </section>
      <section aria-labelledby="changes">
        <h2 id="changes">{words.changes}</h2>
        {dataset.changes.length === 0 && <p>{words.noChanges}</p>}
        <ul>
          {dataset.changes.map((change) => (
            <li key={change.upload_id}>
              <a href={addresses.upload(change.upload_id)}>
                <Moment iso={change.created_at} />
              </a>
              <ColumnChanges change={change} />
            </li>
          ))}
        </ul>
      </section>
    </>
  )
}
