import type { PreviewFault } from '../api/types.ts'
import { type Faults, plainReason } from '../csv-faults.ts'
import { counted } from '../format/numbers.ts'
import { texts } from '../texts.ts'

/** The faults of a CSV by kind: what each means, what to do, and where they are. */
export function CsvFaults({ faults, counts }: Faults) {
  return (
    <>
      {Object.entries(counts).map(([code, count]) => (
        <FaultsOfKind key={code} code={code} count={count} faults={faults.filter((fault) => fault.code === code)} />
      ))}
    </>
  )
}

function FaultsOfKind({ code, count, faults }: { code: string; count: number; faults: PreviewFault[] }) {
  const known = texts.csvFaults[code]
  const hidden = count - faults.length
  return (
    <>
      <p>
        {known ? `${known.meaning} ${known.action}` : counted(count, 'fault')} <span class="code">[{code}]</span>
      </p>
      <ul>
        {faults.map((fault) => (
          <li key={`${fault.row} ${fault.byte}`}>
            <strong>{texts.preview.place(fault.row, fault.byte)}</strong>: {plainReason(fault)}
          </li>
        ))}
        {hidden > 0 && <li>{texts.preview.notShown(hidden)}</li>}
      </ul>
    </>
  )
}
