import { getFirstRows, getLinks, getReaders } from '../api/uploads.ts'
import { useLoaded } from '../hooks.ts'
import { texts } from '../texts.ts'
import { LoadedSection } from './loaded-section.tsx'
import { ReaderStatements } from './reader-statements.tsx'
import { RowsTable } from './rows-table.tsx'

/** What is in an upload: its first rows, how to read it, and where else it can be seen. */
export function UploadContent({ uploadId, isLanded }: { uploadId: string; isLanded: boolean }) {
  const rows = useLoaded(`rows ${uploadId}`, (signal) => getFirstRows(uploadId, signal))
  const readers = useLoaded(`readers ${uploadId} ${isLanded}`, (signal) => getReaders(uploadId, signal))
  const links = useLoaded(`links ${uploadId} ${isLanded}`, (signal) => getLinks(uploadId, signal))
  return (
    <>
      <LoadedSection id="rows" title={texts.rows.title} loaded={rows}>
        {(data) => (
          <>
            <p>{texts.rows.shown(data.rows.length, data.row_count)}</p>
            <RowsTable label={texts.rows.table} header={data.header} rows={data.rows} />
          </>
        )}
      </LoadedSection>
      <LoadedSection id="readers" title={texts.readers.title} loaded={readers}>
        {(data) => (
          <>
            {data.notes.map((note) => (
              <p key={note}>{note}</p>
            ))}
            <ReaderStatements readers={data.readers} />
          </>
        )}
      </LoadedSection>
      {links.data && links.data.length > 0 && (
        <LoadedSection id="links" title={texts.links.title} loaded={links}>
          {(data) => (
            <ul>
              {data.map((link) => (
                <li key={link.href}>
                  <a href={link.href} rel="noreferrer">
                    {link.label}
                  </a>
                </li>
              ))}
            </ul>
          )}
        </LoadedSection>
      )}
    </>
  )
}
