import type { ComponentChildren } from 'preact'

interface Props {
  id: string
  label: string
  hint?: string
  error?: string | undefined
  children: ComponentChildren
}

/** A label, its control, a hint and what is wrong. The control refers to them by {@link describedBy}. */
export function Field({ id, label, hint, error, children }: Props) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children}
      {error && (
        <p id={`${id}-error`} class="field-error">
          {error}
        </p>
      )}
      {hint && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
    </div>
  )
}

/** Return the ids of what describes the control `id`. */
export function describedBy(id: string, { hint = false, error = false }: { hint?: boolean; error?: boolean }): string {
  return [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(' ')
}
