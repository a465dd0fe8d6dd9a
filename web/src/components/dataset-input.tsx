import { useEffect, useState } from 'preact/hooks'
import { listDatasets } from '../api/datasets.ts'
import { permits, useSession } from '../session.ts'

interface Props {
  id: string
  name: string
  defaultValue?: string
  value?: string
  required?: boolean
  describedBy?: string
  invalid?: boolean
  onInput?: (value: string) => void
}

/** A field for the name of a dataset, which proposes those that there are. */
export function DatasetInput({ id, describedBy, invalid, onInput, ...attributes }: Props) {
  const names = useDatasetNames()
  return (
    <>
      <input
        {...attributes}
        id={id}
        type="text"
        list={`${id}-names`}
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        aria-describedby={describedBy}
        aria-invalid={invalid ? true : undefined}
        onInput={(event) => onInput?.(event.currentTarget.value)}
      />
      <datalist id={`${id}-names`}>
        {names.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </>
  )
}

function useDatasetNames(): string[] {
  const { session } = useSession()
  const [names, setNames] = useState<string[]>([])
  const mayRead = permits(session, 'read')
  useEffect(() => {
    if (!mayRead) return
    const controller = new AbortController()
    listDatasets('', controller.signal).then(
      ({ datasets }) => setNames(datasets.map(({ name }) => name)),
      () => setNames([]), // the field can be filled without proposals
    )
    return () => controller.abort()
  }, [mayRead])
  return names
}
