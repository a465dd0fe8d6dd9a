import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'
import { problemOf } from './api/client.ts'
import { getSession } from './api/session.ts'
import type { Problem, Session } from './api/types.ts'
import { Layout } from './components/layout.tsx'
import { Notice, ProblemNotice } from './components/notice.tsx'
import { View } from './components/view.tsx'
import { useRoute } from './hooks.ts'
import { addresses, type Route } from './router.ts'
import { isSignedIn, SessionContext, startAddress } from './session.ts'
import { texts } from './texts.ts'
import { DatasetView } from './views/dataset.tsx'
import { DatasetsView } from './views/datasets.tsx'
import { SendView } from './views/send.tsx'
import { SignInView } from './views/sign-in.tsx'
import { UploadView } from './views/upload.tsx'
import { UploadsView } from './views/uploads.tsx'

export function App() {
  const [session, setSession] = useState<Session | null>(null)
  const [problem, setProblem] = useState<Problem | null>(null)
  const refresh = useCallback(() => {
    setProblem(null)
    getSession().then(setSession, (error: unknown) => setProblem(problemOf(error)))
  }, [])
  useEffect(refresh, [refresh])
  const access = useMemo(() => (session ? { session, replace: setSession, refresh } : null), [session, refresh])
  if (access === null) return problem ? <ProblemNotice problem={problem} onRetry={refresh} /> : <Loading />
  return (
    <SessionContext.Provider value={access}>
      <Routed session={access.session} />
    </SessionContext.Provider>
  )
}

function Loading() {
  return <p class="loading">{texts.loading}</p>
}

function Routed({ session }: { session: Session }) {
  const route = useRoute()
  const isIn = isSignedIn(session)
  useEffect(() => {
    if (isIn && route.view === 'start') location.replace(startAddress(session))
  }, [isIn, route.view, session])
  const shown = isIn || route.view === 'sign-in' ? route : ({ view: 'sign-in' } as const)
  return (
    <Layout route={shown}>
      <RouteView route={shown} />
    </Layout>
  )
}

function RouteView({ route }: { route: Route }) {
  switch (route.view) {
    case 'start':
      return <Loading />
    case 'send':
      return <SendView dataset={route.dataset} />
    case 'sign-in':
      return <SignInView />
    case 'uploads':
      return <UploadsView dataset={route.dataset} status={route.status} cursor={route.cursor} />
    case 'upload':
      return <UploadView key={route.uploadId} uploadId={route.uploadId} />
    case 'datasets':
      return <DatasetsView cursor={route.cursor} />
    case 'dataset':
      return <DatasetView key={route.name} name={route.name} />
    default:
      return (
        <View title={texts.titles.unknown}>
          <Notice kind="problem">
            <p>{texts.unknownView}</p>
            <p>
              <a href={addresses.uploads()}>{texts.titles.uploads}</a>
            </p>
          </Notice>
        </View>
      )
  }
}
