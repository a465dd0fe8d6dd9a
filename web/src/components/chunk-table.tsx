import { useState } from 'preact/hooks'
import { CHUNK_STATES, type ChunkState, type ChunkStatus } from '../api/types.ts'
import { formatBytes, formatCount } from '../format/numbers.ts'
import { texts } from '../texts.ts'
import { NumberColumn } from './number-column.tsx'
import { ScrollArea } from './scroll-area.tsx'
import { StateBadge } from './state-badge.tsx'

const ROWS_PER_PAGE = 50

/** The chunks as `csvpipe status` shows them, one page at a time. */
export function ChunkTable({ chunks }: { chunks: ChunkStatus[] }) {
  const [state, setState] = useState<ChunkState | ''>('')
  const [page, setPage] = useState(0)
  const wanted = state === '' ? chunks : chunks.filter((chunk) => chunk.state === state)
  const pages = Math.max(1, Math.ceil(wanted.length / ROWS_PER_PAGE))
  const current = Math.min(page, pages - 1)
  const choose = (value: string) => {
    setState(CHUNK_STATES.find((each) => each === value) ?? '')
    setPage(0)
  }
  return (
    <details class="chunk-table">
      <summary>{texts.chunks.details}</summary>
      <div class="field">
        <label for="chunk-state">{texts.chunks.state}</label>
        <select id="chunk-state" value={state} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">{texts.uploads.anyStatus}</option>
          {CHUNK_STATES.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </div>
      <Rows chunks={wanted.slice(current * ROWS_PER_PAGE, (current + 1) * ROWS_PER_PAGE)} />
      {pages > 1 && (
        <div class="row">
          <button type="button" disabled={current === 0} onClick={() => setPage(current - 1)}>
            {texts.chunks.previous}
          </button>
          <span aria-live="polite">{texts.chunks.page(current + 1, pages)}</span>
          <button type="button" disabled={current === pages - 1} onClick={() => setPage(current + 1)}>
            {texts.chunks.next}
          </button>
        </div>
      )}
    </details>
  )
}

function Rows({ chunks }: { chunks: ChunkStatus[] }) {
  const { columns } = texts.chunks
  return (
    <ScrollArea label={texts.chunks.details}>
      <table>
        <thead>
          <tr>
            <NumberColumn>{columns.chunk}</NumberColumn>
            <th scope="col">{columns.state}</th>
            <NumberColumn>{columns.rows}</NumberColumn>
            <NumberColumn>{columns.size}</NumberColumn>
            <th scope="col">{columns.file}</th>
            <th scope="col">{columns.error}</th>
          </tr>
        </thead>
        <tbody>
          {chunks.map((chunk) => (
            <tr key={chunk.chunk_id}>
              <th scope="row" class="number">
                {chunk.chunk_id}
              </th>
              <td>
                <StateBadge state={chunk.state} />
              </td>
              <td class="number">{`${formatCount(chunk.row_start)}–${formatCount(chunk.row_end)}`}</td>
              <td class="number">{formatBytes(chunk.size_bytes)}</td>
              <td>{chunk.filename}</td>
              <td class="wraps">{chunk.error}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}
