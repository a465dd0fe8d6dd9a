import { useEffect, useState } from 'preact/hooks'
import { faultsIn } from '../csv-faults.ts'
import { formatRate } from '../format/numbers.ts'
import { formatDuration } from '../format/times.ts'
import { addresses } from '../router.ts'
import { texts } from '../texts.ts'
import { isActive, isFinalRefusal, type Sending } from '../upload/sending.ts'
import { theSender, useSendings } from '../upload/use-sender.ts'
import { CsvFaults } from './csv-faults.tsx'
import { Notice, ProblemNotice } from './notice.tsx'

const words = texts.sending

/** The files on their way, also those that have arrived. */
export function SendingList() {
  const sendings = useSendings()
  if (sendings.length === 0) return null
  return (
    <section aria-labelledby="sending">
      <h2 id="sending">{words.title}</h2>
      {sendings.map((sending) => (
        <SendingCard key={sending.id} sending={sending} />
      ))}
      <p class="visually-hidden" aria-live="polite">
        {useAnnouncement(sendings)}
      </p>
    </section>
  )
}

function SendingCard({ sending }: { sending: Sending }) {
  const { name, sizeBytes, sentBytes, state } = sending
  return (
    <article class="card" aria-label={name}>
      <h3>
        {name} <span class="heading-detail">{words.to(sending.dataset)}</span>
      </h3>
      <progress aria-label={words.progress(name)} max={Math.max(1, sizeBytes)} value={sentBytes} />
      <p>{[words.states[state], words.bytes(sentBytes, sizeBytes), ...rateOf(sending)].join(', ')}</p>
      {sending.resumedAt > 0 && <p class="hint">{words.resumedAt(sending.resumedAt)}</p>}
      {sending.problem && <Refusal problem={sending.problem} />}
      {state === 'done' && sending.uploadId && (
        <p>
          <a href={addresses.upload(sending.uploadId)}>{words.see(name)}</a>
        </p>
      )}
      <Buttons sending={sending} />
    </article>
  )
}

function rateOf({ bytesPerSecond, secondsLeft }: Sending): string[] {
  const rate = bytesPerSecond === null ? [] : [formatRate(bytesPerSecond)]
  return secondsLeft === null ? rate : [...rate, words.left(formatDuration(Math.ceil(secondsLeft)))]
}

function Refusal({ problem }: { problem: NonNullable<Sending['problem']> }) {
  const found = faultsIn(problem)
  if (found) {
    return (
      <Notice kind="problem" title={texts.errors.withCode(problem.title, problem.code)}>
        <CsvFaults {...found} />
      </Notice>
    )
  }
  return (
    <>
      <ProblemNotice problem={problem} />
      {problem.code === 'unauthenticated' && (
        <p>
          <a href={addresses.signIn()}>{words.signIn}</a>
        </p>
      )}
    </>
  )
}

function Buttons({ sending: { id, name, state, problem } }: { sending: Sending }) {
  const sender = theSender()
  const isRefused = problem !== null && isFinalRefusal(problem.status)
  if (state === 'done' || isRefused) return <Button label={words.dismiss(name)} action={() => sender.dismiss(id)} />
  return (
    <div class="row">
      {state === 'failed' && <Button label={words.retry(name)} action={() => sender.retry(id)} />}
      {state === 'paused' && <Button label={words.resume(name)} action={() => sender.resume(id)} />}
      {(state === 'sending' || state === 'waiting' || state === 'retrying') && (
        <Button label={words.pause(name)} action={() => sender.pause(id)} />
      )}
      {state !== 'finishing' && <Button label={words.cancel(name)} action={() => sender.cancel(id)} />}
    </div>
  )
}

function Button({ label, action }: { label: string; action: () => void }) {
  return (
    <button type="button" onClick={action}>
      {label}
    </button>
  )
}

/** Return the last change of a state, or each quarter of the way: what a screen reader says. */
function useAnnouncement(sendings: readonly Sending[]): string {
  const [said, setSaid] = useState('')
  const [known, setKnown] = useState<Record<string, string>>({})
  useEffect(() => {
    const now = Object.fromEntries(sendings.map((sending) => [sending.id, announcementOf(sending)]))
    const changed = Object.entries(now).find(([id, text]) => known[id] !== text)
    if (changed === undefined) return
    setKnown(now)
    setSaid(changed[1])
  }, [sendings, known])
  return said
}

function announcementOf(sending: Sending): string {
  const quarter = Math.floor((4 * sending.sentBytes) / Math.max(1, sending.sizeBytes)) * 25
  if (isActive(sending) && sending.state === 'sending') return words.percent(sending.name, quarter)
  return words.said(sending.name, words.states[sending.state])
}
