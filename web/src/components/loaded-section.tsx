import type { ComponentChildren } from 'preact'
import type { Loaded } from '../hooks.ts'
import { texts } from '../texts.ts'
import { ProblemNotice } from './notice.tsx'

interface Props<T> {
  id: string
  title: string
  loaded: Loaded<T>
  children: (data: T) => ComponentChildren
}

/** A section whose content comes by a request of its own. */
export function LoadedSection<T>({ id, title, loaded, children }: Props<T>) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {loaded.isLoading && <p class="loading">{texts.loading}</p>}
      {loaded.problem && <ProblemNotice problem={loaded.problem} onRetry={loaded.reload} />}
      {loaded.data && children(loaded.data)}
    </section>
  )
}
