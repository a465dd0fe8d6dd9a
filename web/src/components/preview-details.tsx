import type { Preview, PreviewDialect } from '../api/types.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { ColumnChanges } from './column-changes.tsx'
import { CsvFaults } from './csv-faults.tsx'
import { Moment } from './moment.tsx'
import { Notice } from './notice.tsx'
import { RowsTable } from './rows-table.tsx'

const words = texts.preview

/** What the beginning of a file tells: faults, format, changes of the columns, first rows. */
export function PreviewDetails({ name, preview }: { name: string; preview: Preview }) {
  const { deviations, drift } = preview
  const faults = Object.values(preview.fault_counts).reduce((sum, count) => sum + count, 0)
  return (
    <>
      {faults > 0 ? (
        <Notice kind="problem" title={words.faultsTitle(faults)}>
          <CsvFaults faults={preview.faults} counts={preview.fault_counts} />
        </Notice>
      ) : (
        <Notice kind="success">
          <p>{words.noFaults(preview.row_count, preview.complete)}</p>
        </Notice>
      )}
      {deviations && deviations.surplus_empty_cells + deviations.blank_last_lines > 0 && (
        <Notice kind="info">
          <p>{words.accepted(texts.facts.deviations(deviations.surplus_empty_cells, deviations.blank_last_lines))}</p>
        </Notice>
      )}
      {drift && (
        <Notice kind="warning" title={words.driftTitle}>
          <ColumnChanges change={drift} />
          <p>
            {words.driftSince}:{' '}
            <a href={addresses.upload(drift.upload_id)}>
              <Moment iso={drift.created_at} />
            </a>
          </p>
        </Notice>
      )}
      {preview.dialect && (
        <p>
          {[words.columns(preview.header.length), ...describeDialect(preview.dialect, preview.compression)].join(', ')}
        </p>
      )}
      {preview.header.length > 0 && <RowsTable label={words.rows(name)} header={preview.header} rows={preview.rows} />}
    </>
  )
}

function describeDialect(dialect: PreviewDialect, compression: string | null): string[] {
  const delimiter = texts.delimiters[dialect.delimiter] ?? dialect.delimiter
  const parts = [
    words.dialect(delimiter, dialect.encoding),
    dialect.bom && words.bom,
    dialect.quoted && words.quoted,
    dialect.line_ending && words.lineEnding(dialect.line_ending),
    compression,
  ]
  return parts.filter((part): part is string => typeof part === 'string')
}
