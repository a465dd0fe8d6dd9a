import { useEffect, useState } from 'preact/hooks'
import { ChosenFileCard } from '../components/chosen-file.tsx'
import { FilePicker } from '../components/file-picker.tsx'
import { Permitted } from '../components/notice.tsx'
import { PendingList } from '../components/pending-list.tsx'
import { SendOptionFields } from '../components/send-options.tsx'
import { SendingList } from '../components/sending-list.tsx'
import { View } from '../components/view.tsx'
import { useSession } from '../session.ts'
import { texts } from '../texts.ts'
import { addFiles, type ChosenFile } from '../upload/chosen.ts'
import { DEFAULT_OPTIONS, faultsOf, metadataOf, type OptionFault, type SendOptions } from '../upload/options.ts'
import { usePending } from '../upload/use-pending.ts'
import { theSender } from '../upload/use-sender.ts'

/** Chooses files, shows what is in them, and sends them. */
export function SendView({ dataset }: { dataset: string }) {
  return (
    <View title={texts.titles.send}>
      <Permitted permission="upload">
        <Send dataset={dataset} />
      </Permitted>
    </View>
  )
}

function Send({ dataset }: { dataset: string }) {
  const [chosen, setChosen] = useState<readonly ChosenFile[]>([])
  const [options, setOptions] = useState<SendOptions>({ ...DEFAULT_OPTIONS, dataset })
  useEffect(() => setOptions((known) => ({ ...known, dataset: dataset || known.dataset })), [dataset])
  const { pending, giveUp } = usePending()
  const choose = (files: File[]) => {
    const fresh = files.filter((file) => {
      const found = theSender().findPending(file, pending)
      if (found) theSender().send(file, found.metadata)
      return found === undefined
    })
    setChosen((known) => addFiles(known, fresh))
  }
  return (
    <>
      <p>{texts.send.intro}</p>
      <PendingList pending={pending} onFiles={choose} onGiveUp={giveUp} />
      <FilePicker onFiles={choose} />
      {chosen.length > 0 && <SendForm chosen={chosen} onChosen={setChosen} options={options} onOptions={setOptions} />}
      <SendingList />
    </>
  )
}

interface FormProps {
  chosen: readonly ChosenFile[]
  onChosen: (chosen: readonly ChosenFile[]) => void
  options: SendOptions
  onOptions: (options: SendOptions) => void
}

const FIELD_OF: Record<OptionFault, string> = {
  'dataset-missing': 'dataset',
  'dataset-invalid': 'dataset',
  'dataset-not-permitted': 'dataset',
  'chunk-size-invalid': 'chunk-size',
}

function SendForm({ chosen, onChosen, options, onOptions }: FormProps) {
  const { session } = useSession()
  const [wasTried, setTried] = useState(false)
  const faults = faultsOf(options, session.key?.datasets ?? ['*'])
  const submit = (event: Event) => {
    event.preventDefault()
    setTried(true)
    const [first] = faults
    if (first) return document.getElementById(FIELD_OF[first])?.focus()
    for (const { file } of chosen) theSender().send(file, metadataOf(options, file.name))
    onChosen([])
  }
  return (
    <form onSubmit={submit} noValidate>
      <SendOptionFields
        options={options}
        faults={
          wasTried ? faults : faults.filter((fault) => fault !== 'dataset-missing' && fault !== 'chunk-size-invalid')
        }
        onChange={(members) => onOptions({ ...options, ...members })}
      />
      <section aria-labelledby="chosen">
        <h2 id="chosen">{texts.send.files}</h2>
        {chosen.map((each) => (
          <ChosenFileCard
            key={each.id}
            chosen={each}
            options={options}
            onRemove={() => onChosen(chosen.filter(({ id }) => id !== each.id))}
          />
        ))}
      </section>
      <button type="submit" class="primary">
        {texts.send.submit(chosen.length)}
      </button>
    </form>
  )
}
