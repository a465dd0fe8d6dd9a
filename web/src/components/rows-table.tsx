import { texts } from '../texts.ts'
import { NumberColumn } from './number-column.tsx'
import { ScrollArea } from './scroll-area.tsx'

interface Props {
  label: string
  header: string[]
  rows: string[][]
}

/** The first rows of a CSV, with the number of each. */
export function RowsTable({ label, header, rows }: Props) {
  const width = Math.max(header.length, ...rows.map((row) => row.length))
  const columns = Array.from({ length: width }, (_, column) => column)
  return (
    <ScrollArea label={label}>
      <table class="cells-of-file">
        <caption class="visually-hidden">{label}</caption>
        <thead>
          <tr>
            <NumberColumn>{texts.rows.number}</NumberColumn>
            {columns.map((column) => (
              <th scope="col" key={column}>
                {header[column] ?? texts.rows.surplus}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              <th scope="row" class="number">
                {index + 1}
              </th>
              {columns.map((column) => (
                <td key={column}>{row[column]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}
