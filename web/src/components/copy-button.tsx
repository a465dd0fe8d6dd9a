import { useState } from 'preact/hooks'
import { texts } from '../texts.ts'

/** Copies a text to the clipboard, and says whether it did. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [said, setSaid] = useState('')
  const copy = async () => setSaid((await copyText(text)) ? texts.copied : texts.notCopied)
  return (
    <span class="row">
      <button type="button" onClick={copy}>
        {label}
      </button>
      <span role="status">{said}</span>
    </span>
  )
}

/** Browsers have no clipboard on pages without TLS, but for this machine's own. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}
