import type { ComponentChildren } from 'preact'
import { addressOf } from '../api/client.ts'
import { getSession, signOut } from '../api/session.ts'
import { addresses, type Route } from '../router.ts'
import { isSignedIn, useSession } from '../session.ts'
import { texts } from '../texts.ts'

const SECTIONS: readonly { address: string; title: string; views: readonly Route['view'][] }[] = [
  { address: addresses.send(), title: texts.titles.send, views: ['send'] },
  { address: addresses.uploads(), title: texts.titles.uploads, views: ['uploads', 'upload'] },
  { address: addresses.datasets(), title: texts.titles.datasets, views: ['datasets', 'dataset'] },
]

/** Navigation, the content of the view, and a footer. */
export function Layout({ route, children }: { route: Route; children: ComponentChildren }) {
  const { session } = useSession()
  return (
    <>
      <button type="button" class="skip" onClick={skipToContent}>
        {texts.skip}
      </button>
      <header class="top">
        <span class="product">{texts.product}</span>
        {isSignedIn(session) && <Navigation view={route.view} />}
        <Account />
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
      <footer class="bottom">
        <span>{texts.footer(session.version)}</span> <a href={addressOf('docs')}>{texts.apiDocs}</a>
      </footer>
    </>
  )
}

// Not a link to #content: the fragment of the address names the view.
function skipToContent() {
  document.getElementById('content')?.focus()
}

function Navigation({ view }: { view: Route['view'] }) {
  return (
    <nav aria-label={texts.navigation}>
      <ul>
        {SECTIONS.map(({ address, title, views }) => (
          <li key={address}>
            <a href={address} aria-current={views.includes(view) ? 'page' : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function Account() {
  const { session, replace } = useSession()
  if (session.key === null) return null
  const leave = async () => {
    await signOut()
    replace(await getSession())
    location.hash = addresses.signIn()
  }
  return (
    <div class="account">
      <span>{texts.session.signedInAs(session.key.name)}</span>
      <button type="button" onClick={leave}>
        {texts.session.signOut}
      </button>
    </div>
  )
}
