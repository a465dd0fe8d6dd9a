import type { SessionLimits } from '../api/types.ts'
import { useSession } from '../session.ts'
import { texts } from '../texts.ts'
import type { OptionFault, SendOptions } from '../upload/options.ts'
import { DatasetInput } from './dataset-input.tsx'
import { describedBy, Field } from './field.tsx'

interface Props {
  options: SendOptions
  faults: readonly OptionFault[]
  onChange: (members: Partial<SendOptions>) => void
}

const CHUNK_TYPES = ['', 'size', 'rows', 'count'] as const
const STRICTS = ['true', 'lenient', 'false'] as const
const words = texts.send

/** The fields that all chosen files are sent with. */
export function SendOptionFields({ options, faults, onChange }: Props) {
  return (
    <fieldset>
      <legend>{words.options}</legend>
      <div class="fields">
        <DatasetField value={options.dataset} faults={faults} onChange={(dataset) => onChange({ dataset })} />
        <ChunkFields options={options} faults={faults} onChange={onChange} />
        <Field id="strict" label={words.strict}>
          <select
            id="strict"
            value={options.strict}
            onChange={(event) => onChange({ strict: event.currentTarget.value as SendOptions['strict'] })}
          >
            {STRICTS.map((each) => (
              <option key={each} value={each}>
                {words.stricts[each]}
              </option>
            ))}
          </select>
        </Field>
      </div>
      <details>
        <summary>{words.more}</summary>
        <div class="fields">
          <TextField name="delimiter" value={options.delimiter} onChange={(delimiter) => onChange({ delimiter })} />
          <TextField name="encoding" value={options.encoding} onChange={(encoding) => onChange({ encoding })} />
        </div>
      </details>
    </fieldset>
  )
}

interface DatasetProps {
  value: string
  faults: readonly OptionFault[]
  onChange: (dataset: string) => void
}

function DatasetField({ value, faults, onChange }: DatasetProps) {
  const { session } = useSession()
  const fault = faults.find((each) => each.startsWith('dataset'))
  const patterns = session.key?.datasets ?? ['*']
  const hint = patterns.includes('*') ? words.datasetHint : `${words.datasetHint}. ${words.datasetsPermitted(patterns)}`
  return (
    <Field id="dataset" label={words.dataset} hint={hint} error={fault && words.faults[fault]}>
      <DatasetInput
        id="dataset"
        name="dataset"
        value={value}
        required
        describedBy={describedBy('dataset', { hint: true, error: fault !== undefined })}
        invalid={fault !== undefined}
        onInput={onChange}
      />
    </Field>
  )
}

function ChunkFields({ options, faults, onChange }: Props) {
  const { session } = useSession()
  const isInvalid = faults.includes('chunk-size-invalid')
  const choose = (value: string) => onChange({ chunkType: CHUNK_TYPES.find((each) => each === value) ?? '' })
  return (
    <>
      <Field id="chunk-type" label={words.chunkType}>
        <select id="chunk-type" value={options.chunkType} onChange={(event) => choose(event.currentTarget.value)}>
          {CHUNK_TYPES.map((each) => (
            <option key={each} value={each}>
              {each === '' ? words.chunkTypes[''](defaultOf(session.limits)) : words.chunkTypes[each]}
            </option>
          ))}
        </select>
      </Field>
      {options.chunkType !== '' && (
        <Field
          id="chunk-size"
          label={words.chunkSizes[options.chunkType]}
          error={isInvalid ? words.faults['chunk-size-invalid'] : undefined}
        >
          <input
            id="chunk-size"
            type="text"
            inputmode="numeric"
            value={options.chunkSize}
            required
            aria-describedby={describedBy('chunk-size', { error: isInvalid })}
            aria-invalid={isInvalid ? true : undefined}
            onInput={(event) => onChange({ chunkSize: event.currentTarget.value })}
          />
        </Field>
      )}
    </>
  )
}

function defaultOf(limits: SessionLimits): string {
  if (limits.chunk_type === 'rows') return words.chunkDefault.rows(limits.chunk_rows)
  return words.chunkDefault.size(limits.chunk_size_mb)
}

interface TextProps {
  name: 'delimiter' | 'encoding'
  value: string
  onChange: (value: string) => void
}

function TextField({ name, value, onChange }: TextProps) {
  return (
    <Field id={name} label={words[name]} hint={words[`${name}Hint`]}>
      <input
        id={name}
        type="text"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        value={value}
        aria-describedby={describedBy(name, { hint: true })}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </Field>
  )
}
