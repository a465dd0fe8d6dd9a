import type { Fault } from '../api/types.ts'
import { counted } from '../format/numbers.ts'
import { texts } from '../texts.ts'

interface Props {
  faults: Fault[]
  counts: Record<string, number>
}

/** The faults of a CSV by kind: what each means, what to do, and where they are. */
export function CsvFaults({ faults, counts }: Props) {
  return (
    <>
      {Object.entries(counts).map(([code, count]) => (
        <FaultsOfKind key={code} code={code} count={count} faults={faults.filter((fault) => fault.code === code)} />
      ))}
    </>
  )
}

function FaultsOfKind({ code, count, faults }: { code: string; count: number; faults: Fault[] }) {
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
            <strong>{texts.preview.place(fault.row, fault.byte)}</strong>: {fault.reason}
          </li>
        ))}
        {hidden > 0 && <li>{texts.preview.notShown(hidden)}</li>}
      </ul>
    </>
  )
}

/** Return the faults in a problem document of an upload, or none. */
export function faultsIn(problem: Record<string, unknown>): Props | null {
  const { faults, fault_counts: counts } = problem
  if (!Array.isArray(faults) || typeof counts !== 'object' || counts === null) return null
  return { faults: faults.map(readFault), counts: counts as Record<string, number> }
}

function readFault(fault: Record<string, unknown>): Fault {
  const reason = texts.preview.expected(String(fault.expected), String(fault.found))
  return { row: Number(fault.row), byte: Number(fault.byte), code: String(fault.reason), reason }
}
