import { useRef, useState } from 'preact/hooks'
import { problemOf } from '../api/client.ts'
import { signIn } from '../api/session.ts'
import { Notice } from '../components/notice.tsx'
import { View } from '../components/view.tsx'
import { isSignedIn, startAddress, useSession } from '../session.ts'
import { texts } from '../texts.ts'

/** Takes a key, which the service keeps in a cookie. */
export function SignInView() {
  const { session } = useSession()
  return (
    <View title={texts.titles.signIn}>
      {isSignedIn(session) && (
        <Notice kind="info">
          <p>{session.key ? texts.session.signedInAs(session.key.name) : texts.session.openAccess}</p>
        </Notice>
      )}
      {session.access === 'keys' && <p>{texts.session.intro}</p>}
      <SignInForm />
    </View>
  )
}

function SignInForm() {
  const { replace } = useSession()
  const input = useRef<HTMLInputElement>(null)
  const [error, setError] = useState('')
  const [isBusy, setBusy] = useState(false)
  const refuse = (reason: string) => {
    setError(reason)
    input.current?.focus()
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    const key = input.current?.value.trim() ?? ''
    if (key === '') return refuse(texts.session.noKey)
    setBusy(true)
    setError('')
    try {
      const session = await signIn(key)
      if (/^#\/(sign-in)?$/.test(location.hash) || location.hash === '') location.hash = startAddress(session)
      replace(session)
    } catch (thrown) {
      const problem = problemOf(thrown)
      setBusy(false)
      refuse(problem.code === 'unauthenticated' ? texts.session.wrongKey : problem.detail)
    }
  }
  return (
    <form class="narrow" onSubmit={submit} noValidate>
      <label for="key">{texts.session.key}</label>
      <input
        id="key"
        ref={input}
        type="password"
        autocomplete="current-password"
        aria-describedby={error ? 'key-error key-hint' : 'key-hint'}
        aria-invalid={error ? true : undefined}
      />
      {error && (
        <p id="key-error" class="field-error" role="alert">
          {error}
        </p>
      )}
      <p id="key-hint" class="hint">
        {texts.session.keyHint}
      </p>
      <button type="submit" class="primary" disabled={isBusy}>
        {isBusy ? texts.session.signingIn : texts.session.signIn}
      </button>
    </form>
  )
}
