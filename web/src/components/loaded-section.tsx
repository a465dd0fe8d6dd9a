import type { ComponentChildren } from 'preact'
import type { Problem } from '../api/types.ts'
import type { Loaded } from '../hooks.ts'
import { texts } from '../texts.ts'
import { Notice, ProblemNotice } from './notice.tsx'

const GONE = 410

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
      {loaded.problem && <Missing problem={loaded.problem} onRetry={loaded.reload} />}
      {loaded.data && children(loaded.data)}
    </section>
  )
}

/** What is gone is no failure, and asking again does not bring it back. */
function Missing({ problem, onRetry }: { problem: Problem; onRetry: () => void }) {
  if (problem.status !== GONE) return <ProblemNotice problem={problem} onRetry={onRetry} />
  return (
    <Notice kind="info">
      <p>{problem.detail}</p>
    </Notice>
  )
}
