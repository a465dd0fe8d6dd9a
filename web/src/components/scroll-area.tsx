import type { ComponentChildren } from 'preact'

/** Scrolls sideways what is wider than the screen, also by keyboard. */
export function ScrollArea({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it, which needs the focus
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for inputs, and a section would be one more landmark
    <div class="scroll-area" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  )
}
