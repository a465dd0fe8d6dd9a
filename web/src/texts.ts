/** All texts of the page. The words are those of the command line. */

import { counted, formatBytes, formatCount } from './format/numbers.ts'

export const texts = {
  product: 'csvpipe',
  skip: 'Skip to the content',
  navigation: 'Main',
  loading: 'Loading …',
  none: '–',
  retry: 'Try again',
  cancel: 'Cancel',
  titles: {
    send: 'Send',
    uploads: 'Uploads',
    upload: 'Upload',
    datasets: 'Datasets',
    dataset: 'Dataset',
    signIn: 'Sign in',
    unknown: 'There is no such page',
  },
  unknownView: 'The address does not name a view of this page. Choose one above.',
  apiDocs: 'API',
  footer: (version: string) => `csvpipe ${version}`,

  errors: {
    unexpected: 'Unexpected answer',
    unexpectedStatus: (status: number) =>
      `The service, or a proxy in front of it, answered with status ${status} and no reason. Try again, or ask whoever runs it.`,
    unreachable: 'No connection',
    unreachableDetail: 'The service does not answer. Check the network, then try again.',
    withCode: (title: string, code: string) => `${title} [${code}]`,
  },

  session: {
    intro: 'This service needs a key. It begins with csvp_ and comes from whoever runs the service.',
    openAccess: 'This service needs no key. Everything is permitted.',
    key: 'Key',
    keyHint: 'The key is kept in a cookie that scripts cannot read, until you sign out.',
    signIn: 'Sign in',
    signingIn: 'Signing in …',
    signOut: 'Sign out',
    signedInAs: (name: string) => `Signed in as ${name}`,
    wrongKey: 'The key is wrong, revoked or expired. Check that all of it was copied.',
    noKey: 'Enter the key.',
    ended: 'Sign in again: the key is no longer accepted.',
  },

  permissions: {
    upload:
      'Your key cannot send files: it lacks the permission upload. Ask whoever gave it to you for one that has it.',
    read: 'Your key cannot see uploads: it lacks the permission read. Ask whoever gave it to you for one that has it.',
    operate: 'Announcing again and deleting need a key with the permission operate, which yours lacks.',
  } as Record<string, string>,

  columns: {
    upload: 'upload',
    dataset: 'dataset',
    status: 'status',
    rows: 'rows',
    size: 'size',
    chunks: 'chunks',
    created: 'created',
  },

  uploads: {
    caption: 'Uploads, the newest first',
    filter: 'Filter',
    dataset: 'Dataset',
    status: 'Status',
    anyStatus: 'any',
    apply: 'Apply',
    clear: 'Show all',
    empty: 'There are no uploads yet.',
    emptyFiltered: 'No upload matches the filter.',
    sendOne: 'Send a file',
    newest: 'Newest uploads',
    older: 'Older uploads',
    pages: 'Pages',
    landedOf: (landed: number, total: number) => `${formatCount(landed)} of ${formatCount(total)} landed`,
    changed: (dataset: string, status: string) => `An upload of ${dataset} is now ${status}`,
    added: (dataset: string) => `New upload of ${dataset}`,
    live: 'Changes appear as they happen.',
    polling: 'Changes appear every few seconds: the live connection is not available.',
    connecting: 'Connecting for live changes …',
  },

  facts: {
    rowsAndSize: (rows: number, sizeBytes: number) => `${counted(rows, 'row')}, ${formatBytes(sizeBytes)}`,
  },
}
