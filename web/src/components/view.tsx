import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { texts } from '../texts.ts'

let isFirstView = true

/** The frame of a view: its heading gets the focus when the view is entered, so that keyboard and screen reader follow. */
export function View({ title, detail, children }: { title: string; detail?: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} – ${texts.product}`
    if (!isFirstView) heading.current?.focus()
    isFirstView = false
  }, [title])
  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {title}
        {detail && <span class="heading-detail"> {detail}</span>}
      </h1>
      {children}
    </>
  )
}
