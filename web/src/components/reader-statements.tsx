import { useState } from 'preact/hooks'
import type { Reader } from '../api/types.ts'
import { texts } from '../texts.ts'
import { CopyButton } from './copy-button.tsx'
import { Notice } from './notice.tsx'
import { ScrollArea } from './scroll-area.tsx'

/** How other programs read the objects of an upload. */
export function ReaderStatements({ readers }: { readers: Reader[] }) {
  const [chosen, setChosen] = useState(0)
  const reader = readers[Math.min(chosen, readers.length - 1)]
  if (!reader) return <p>{texts.readers.none}</p>
  return (
    <>
      <div class="field">
        <label for="reader">{texts.readers.choose}</label>
        <select id="reader" value={chosen} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
          {readers.map((each, index) => (
            <option key={each.name} value={index}>
              {each.name}
            </option>
          ))}
        </select>
      </div>
      {reader.notes.map((note) => (
        <Notice key={note} kind="warning">
          <p>{note}</p>
        </Notice>
      ))}
      <ScrollArea label={texts.readers.statement(reader.name)}>
        <pre>
          <code>{reader.statement}</code>
        </pre>
      </ScrollArea>
      <CopyButton key={reader.name} text={reader.statement} label={texts.readers.copy(reader.name)} />
    </>
  )
}
