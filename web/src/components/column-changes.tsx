import type { SchemaChange } from '../api/types.ts'
import { texts } from '../texts.ts'

/** What is different about the columns. */
export function ColumnChanges({ change }: { change: SchemaChange }) {
  const words = texts.changes
  return (
    <ul>
      {change.added.length > 0 && <li>{words.added(change.added)}</li>}
      {change.removed.length > 0 && <li>{words.removed(change.removed)}</li>}
      {change.reordered && <li>{words.reordered}</li>}
    </ul>
  )
}
