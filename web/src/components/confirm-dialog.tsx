import { useEffect, useRef } from 'preact/hooks'
import { texts } from '../texts.ts'

interface Props {
  title: string
  text: string
  confirm: string
  onConfirm: () => void
  onCancel: () => void
}

/** Asks before something that cannot be undone; Escape cancels, and the focus returns to where it was. */
export function ConfirmDialog({ title, text, confirm, onConfirm, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  // Only a dialog that is closed before it is removed gives the focus back.
  const close = () => dialog.current?.close()
  const confirmed = () => {
    close()
    onConfirm()
  }
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" aria-describedby="confirm-text" onClose={onCancel}>
      <h2 id="confirm-title">{title}</h2>
      <p id="confirm-text">{text}</p>
      <div class="row">
        <button type="button" onClick={close}>
          {texts.cancel}
        </button>
        <button type="button" class="danger" onClick={confirmed}>
          {confirm}
        </button>
      </div>
    </dialog>
  )
}
