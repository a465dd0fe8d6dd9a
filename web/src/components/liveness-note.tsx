import type { Liveness } from '../hooks.ts'
import { texts } from '../texts.ts'

const WORDS: Record<Liveness, string> = {
  connecting: texts.uploads.connecting,
  live: texts.uploads.live,
  polling: texts.uploads.polling,
}

/** Says whether changes appear by themselves, and to screen readers what has changed last. */
export function LivenessNote({ liveness, news }: { liveness: Liveness; news: string }) {
  return (
    <>
      <p class={`liveness liveness-${liveness}`}>{WORDS[liveness]}</p>
      <p class="visually-hidden" aria-live="polite">
        {news}
      </p>
    </>
  )
}
