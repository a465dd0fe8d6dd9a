import { formatMoment, formatUtc } from '../format/times.ts'
import { texts } from '../texts.ts'

/** A time, in the reader's time zone; in UTC as tooltip. */
export function Moment({ iso }: { iso: string | null | undefined }) {
  if (!iso) return <>{texts.none}</>
  return (
    <time dateTime={iso} title={formatUtc(iso)}>
      {formatMoment(iso)}
    </time>
  )
}
