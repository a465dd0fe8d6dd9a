import { STATUSES } from '../api/types.ts'
import type { UploadFilter } from '../api/uploads.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { DatasetInput } from './dataset-input.tsx'

/** Chooses dataset and status; the address of the view keeps both. */
export function UploadFilterForm({ dataset, status }: UploadFilter) {
  const apply = (event: Event) => {
    event.preventDefault()
    const given = new FormData(event.currentTarget as HTMLFormElement)
    location.hash = addresses.uploads({
      dataset: String(given.get('dataset') ?? '').trim(),
      status: String(given.get('status') ?? ''),
    })
  }
  return (
    <search>
      <form key={`${dataset} ${status}`} class="filter" aria-label={texts.uploads.filter} onSubmit={apply}>
        <div class="field">
          <label for="filter-dataset">{texts.uploads.dataset}</label>
          <DatasetInput id="filter-dataset" name="dataset" defaultValue={dataset} />
        </div>
        <div class="field">
          <label for="filter-status">{texts.uploads.status}</label>
          <select id="filter-status" name="status" defaultValue={status}>
            <option value="">{texts.uploads.anyStatus}</option>
            {STATUSES.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </div>
        <button type="submit">{texts.uploads.apply}</button>
        {(dataset || status) && <a href={addresses.uploads()}>{texts.uploads.clear}</a>}
      </form>
    </search>
  )
}
