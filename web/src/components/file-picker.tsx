import { useState } from 'preact/hooks'
import { texts } from '../texts.ts'

/** Files, chosen by a dialog or dropped. */
export function FilePicker({ onFiles }: { onFiles: (files: File[]) => void }) {
  const [isOver, setOver] = useState(false)
  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    onFiles(Array.from(event.dataTransfer?.files ?? []))
  }
  const over = (event: DragEvent) => {
    event.preventDefault()
    setOver(true)
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is the mouse's way; the field inside has the keyboard's
    <div class={isOver ? 'drop drop-over' : 'drop'} onDragOver={over} onDragLeave={() => setOver(false)} onDrop={drop}>
      <FileField id="files" label={texts.send.choose} multiple onFiles={onFiles} />
      <span>{texts.send.drop}</span>
    </div>
  )
}

interface FieldProps {
  id: string
  label: string
  multiple?: boolean
  onFiles: (files: File[]) => void
}

/** A field for files that looks like a button. */
export function FileField({ id, label, multiple = false, onFiles }: FieldProps) {
  const choose = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement
    onFiles(Array.from(input.files ?? []))
    input.value = '' // so that the same file can be chosen again
  }
  return (
    <span class="file-field">
      <input id={id} type="file" class="visually-hidden" multiple={multiple} onChange={choose} />
      <label for={id} class="button">
        {label}
      </label>
    </span>
  )
}
