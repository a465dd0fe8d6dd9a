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

  copied: 'Copied',
  notCopied: 'The browser does not permit copying here. Select the text instead.',

  facts: {
    dataset: 'dataset',
    status: 'status',
    source: 'source',
    accepted: 'accepted',
    created: 'created',
    landed: 'landed',
    rowsAndSize: (rows: number, sizeBytes: number) => `${counted(rows, 'row')}, ${formatBytes(sizeBytes)}`,
    deviations: (rows: number, blankLines: number) =>
      `${counted(rows, 'row')} with surplus empty cells, ${counted(blankLines, 'blank line')} at the end`,
    afterCreation: (duration: string) => `${duration} after it was created`,
  },

  upload: {
    progress: (status: string, landed: number, total: number) =>
      `${status}: ${formatCount(landed)} of ${counted(total, 'chunk')} landed`,
  },

  steps: {
    label: 'Steps of the upload',
    done: 'done',
    chunks: (done: number, total: number) => `${formatCount(done)} of ${counted(total, 'chunk')}`,
    meanings: {
      received: 'cut into chunks, and safe',
      announced: 'Kafka has its messages',
      relayed: 'NiFi has accepted it',
      landed: 'in the bucket, checked',
    },
  },

  chunks: {
    title: 'Chunks',
    mapLabel: (states: string) => `Chunks by state: ${states}`,
    perCell: (chunks: number) =>
      `A cell stands for ${formatCount(chunks)} chunks, in the colour of the one that is least far.`,
    one: (id: number, state: string) => `chunk ${formatCount(id)}: ${state}`,
    run: (first: number, last: number, count: number, state: string) =>
      `chunks ${formatCount(first)} to ${formatCount(last)}: ${formatCount(count)} ${state}`,
    details: 'Every chunk',
    state: 'State',
    previous: 'Previous chunks',
    next: 'Next chunks',
    page: (page: number, pages: number) => `Page ${formatCount(page)} of ${formatCount(pages)}`,
    columns: { chunk: 'chunk', state: 'state', rows: 'rows', size: 'size', file: 'file', error: 'error' },
  },

  failures: {
    title: (isFinal: boolean) => (isFinal ? 'Not everything has landed' : 'Some chunks have not landed yet'),
    chunks: (ids: number[], error: string) =>
      `${ids.length === 1 ? 'chunk' : 'chunks'} ${listed(ids.map(formatCount), 10)}: ${error}`,
    more: (reasons: number) => `and ${counted(reasons, 'other reason')}; see the chunks below`,
    noReason: 'no reason given',
    nothingToDo: 'There is nothing to do: the remaining chunks are in progress, or will be announced again.',
    announceAgain:
      'Nothing is lost: the chunks are on the disk of the service. When the cause is fixed, announce the upload again. The file need not be sent again.',
    awaitingKafka:
      'The file is safe, and need not be sent again. It waits for Kafka, which is not available at the moment, and goes on by itself.',
    deleted: 'The upload was deleted.',
  },

  actions: {
    title: 'Actions',
    announce: 'Announce again',
    announceHint: 'Announcing again publishes all chunks that have not landed, including failed ones.',
    announceLandedHint: 'All chunks have landed. Announcing again writes the manifest to the bucket once more.',
    announced: 'Announced.',
    announcedManifest: 'Announced for its manifest; all chunks have landed.',
    delete: 'Delete',
    deleteAnyway: 'Delete although chunks are on their way',
    deleted: 'Deleted.',
    confirmTitle: (dataset: string) => `Delete this upload of ${dataset}?`,
    confirmLanded: 'The service forgets the upload. What has landed stays in the bucket. This cannot be undone.',
    confirmNotLanded:
      'The service removes the chunks from its disk, and they will not land. What has landed stays in the bucket. This cannot be undone.',
    confirmDelete: 'Delete the upload',
  },

  rows: {
    title: 'First rows',
    number: 'row',
    surplus: '(no name)',
    shown: (shown: number, all: number) =>
      shown < all ? `The first ${formatCount(shown)} of ${counted(all, 'row')}.` : `All of ${counted(all, 'row')}.`,
  },

  readers: {
    title: 'Read it',
    choose: 'Program',
    statement: (name: string) => `Statement for ${name}`,
    copy: (name: string) => `Copy the statement for ${name}`,
    notLanded: 'The statement finds all rows when the upload has landed.',
    none: 'The service has no statements: its bucket is not configured.',
  },

  links: { title: 'See also' },

  datasets: {
    caption: 'Datasets by name',
    empty: 'There are no datasets yet. The first upload makes one.',
    first: 'First datasets',
    more: 'More datasets',
    columns: {
      dataset: 'dataset',
      uploads: 'uploads',
      landed: 'landed',
      failed: 'failed',
      rows: 'rows landed',
      size: 'size landed',
      last: 'last upload',
    },
    totals: (uploads: number, landed: number, failed: number) =>
      `${counted(uploads, 'upload')}: ${formatCount(landed)} landed, ${formatCount(failed)} failed`,
    itsUploads: 'Uploads of this dataset',
    sendTo: 'Send a file to this dataset',
    header: (columns: number) => counted(columns, 'column'),
    changes: 'Changes of the columns',
    noChanges: 'All uploads have the same columns.',
  },

  changes: {
    added: (columns: string[]) => `new: ${listed(columns, 20)}`,
    removed: (columns: string[]) => `missing: ${listed(columns, 20)}`,
    reordered: 'the columns are in another order',
  },
}

/** `a, b, c and 4 more`. */
function listed(items: string[], most: number): string {
  const left = items.length - most
  return left > 0 ? `${items.slice(0, most).join(', ')} and ${formatCount(left)} more` : items.join(', ')
}
