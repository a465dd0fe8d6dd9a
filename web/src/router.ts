/** The views by the fragment of the address: `#/uploads?dataset=flights`. */

export type Route =
  | { view: 'send'; dataset: string }
  | { view: 'uploads'; dataset: string; status: string; cursor: string }
  | { view: 'upload'; uploadId: string }
  | { view: 'datasets'; cursor: string }
  | { view: 'dataset'; name: string }
  | { view: 'sign-in' }
  | { view: 'start' }
  | { view: 'unknown' }

/** Return the route of `location.hash`. */
export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  const query = new URLSearchParams(search)
  const given = (name: string) => query.get(name) ?? ''
  const [view, item, ...rest] = path.split('/').map(decode)
  if (rest.length > 0) return { view: 'unknown' }
  if (item) return routeOfItem(view, item)
  switch (view) {
    case '':
      return { view: 'start' }
    case 'send':
      return { view, dataset: given('dataset') }
    case 'uploads':
      return { view, dataset: given('dataset'), status: given('status'), cursor: given('cursor') }
    case 'datasets':
      return { view, cursor: given('cursor') }
    case 'sign-in':
      return { view }
    default:
      return { view: 'unknown' }
  }
}

function routeOfItem(view: string | undefined, item: string): Route {
  if (view === 'uploads') return /^[0-9a-f]{32}$/.test(item) ? { view: 'upload', uploadId: item } : { view: 'unknown' }
  if (view === 'datasets') return { view: 'dataset', name: item }
  return { view: 'unknown' }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const at = (path: string, query: Record<string, string> = {}) => {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ''))
  return `#/${path}${given.size > 0 ? `?${given}` : ''}`
}

/** The addresses of the views. */
export const addresses = {
  send: (dataset = '') => at('send', { dataset }),
  uploads: (query: { dataset?: string; status?: string; cursor?: string } = {}) => at('uploads', query),
  upload: (uploadId: string) => at(`uploads/${uploadId}`),
  datasets: (cursor = '') => at('datasets', { cursor }),
  dataset: (name: string) => at(`datasets/${encodeURIComponent(name)}`),
  signIn: () => at('sign-in'),
}
