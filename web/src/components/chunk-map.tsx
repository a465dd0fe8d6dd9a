import type { UploadStatus } from '../api/types.ts'
import { CHUNK_STATES } from '../api/types.ts'
import { type Cell, cellsOf } from '../chunk-cells.ts'
import { formatCount } from '../format/numbers.ts'
import { texts } from '../texts.ts'
import { describeStates } from '../upload-counts.ts'

/** A cell for each chunk, or for some hundred runs of chunks; the table below has the details. */
export function ChunkMap({ upload }: { upload: UploadStatus }) {
  const cells = cellsOf(upload.chunks)
  const perCell = cells[0] ? cells[0].last - cells[0].first + 1 : 1
  return (
    <figure class="chunk-map">
      <div class="cells" role="img" aria-label={texts.chunks.mapLabel(describeStates(upload))}>
        {cells.map((cell) => (
          <span key={cell.first} class={`cell cell-${cell.state}`} title={titleOf(cell)} />
        ))}
      </div>
      <figcaption>
        <ul class="legend">
          {CHUNK_STATES.filter((state) => upload.chunk_counts[state]).map((state) => (
            <li key={state}>
              <span class={`cell cell-${state}`} aria-hidden="true" /> {formatCount(upload.chunk_counts[state] ?? 0)}{' '}
              {state}
            </li>
          ))}
        </ul>
        {perCell > 1 && <p class="hint">{texts.chunks.perCell(perCell)}</p>}
      </figcaption>
    </figure>
  )
}

function titleOf(cell: Cell): string {
  return cell.first === cell.last
    ? texts.chunks.one(cell.first, cell.state)
    : texts.chunks.run(cell.first, cell.last, cell.count, cell.state)
}
