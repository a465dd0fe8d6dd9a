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
    file: 'file',
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

  send: {
    intro: 'Choose CSV files, plain or compressed (.gz, .zst). Nothing is sent before you have seen what is in them.',
    choose: 'Choose files',
    drop: 'or drop them here',
    files: 'Files',
    options: 'How they are sent',
    submit: (files: number) => (files === 1 ? 'Send the file' : `Send ${formatCount(files)} files`),
    remove: 'Remove',
    removeFile: (name: string) => `Remove ${name}`,
    dataset: 'Dataset',
    datasetHint: 'The folder in the bucket: letters, digits, dots, _ and -',
    datasetsPermitted: (patterns: string[]) => `Your key permits: ${patterns.join(', ')}`,
    chunkType: 'Chunks',
    chunkTypes: {
      '': (limits: string) => `as the service does (${limits})`,
      size: 'by size, in MiB',
      rows: 'by rows',
      count: 'by number of chunks',
    },
    chunkSizes: { size: 'MiB per chunk', rows: 'Rows per chunk', count: 'Number of chunks' },
    chunkDefault: { size: (size: number) => `${formatCount(size)} MiB`, rows: (rows: number) => counted(rows, 'row') },
    strict: 'Rows with another number of fields than the header',
    stricts: {
      true: 'refuse the file',
      lenient: 'refuse the file, unless all surplus fields are empty',
      false: 'accept them',
    },
    more: 'Delimiter and encoding',
    delimiter: 'Delimiter',
    delimiterHint: 'A character or a name: comma, semicolon, tab, pipe. Empty: detected.',
    encoding: 'Encoding',
    encodingHint: 'As Python names it: latin-1, windows-1252, shift_jis. Empty: UTF-8, or what the BOM says.',
    faults: {
      'dataset-missing': 'Enter the dataset.',
      'dataset-invalid': 'The name must have 1 to 128 letters, digits, _ . or -.',
      'dataset-not-permitted': 'Your key does not permit this dataset.',
      'chunk-size-invalid': 'Enter a whole number from 1.',
    },
    tooLarge: (limitMb: number) => `The file is larger than ${formatCount(limitMb)} MiB, the limit for your uploads.`,
    lineBroken: 'The connection was interrupted too often. What has arrived is kept: try again to continue.',
    sessionEnded: 'Sign in again, then try again: sending resumes where it stopped.',
  },

  preview: {
    reading: 'Reading the beginning of the file …',
    noFaults: (rows: number, isComplete: boolean) =>
      isComplete
        ? `Nothing is wrong with the file: ${counted(rows, 'row')}.`
        : `Nothing is wrong with the first ${counted(rows, 'row')}. The rest is checked while it is sent.`,
    faultsTitle: (count: number) => `The service would refuse this file: ${counted(count, 'fault')} in its beginning`,
    place: (row: number, byte: number) =>
      `${row === 0 ? 'header' : `row ${formatCount(row)}`}, byte ${formatCount(byte)}`,
    expected: (expected: string, found: string) => `expected ${expected}, found ${found}`,
    notShown: (count: number) => `and ${counted(count, 'other fault')}`,
    format: 'format',
    dialect: (delimiter: string, encoding: string) => `delimiter ${delimiter}, ${encoding}`,
    lineEnding: (lineEnding: string) => `lines end with ${lineEnding}`,
    bom: 'with a byte order mark',
    quoted: 'with quoted fields',
    columns: (count: number) => counted(count, 'column'),
    rows: (name: string) => `First rows of ${name}`,
    driftTitle: 'The columns differ from those of the last upload',
    driftSince: 'Last upload',
    accepted: (text: string) => `Accepted: ${text}.`,
  },

  delimiters: {
    ',': 'comma',
    ';': 'semicolon',
    '\t': 'tab',
    '|': 'pipe',
    ' ': 'space',
    ':': 'colon',
    '^': 'caret',
    '~': 'tilde',
  } as Record<string, string>,

  /** What is wrong with a CSV, by code, and what to do about it. */
  csvFaults: {
    ragged_row: {
      meaning: 'A row has another number of fields than the header.',
      action: 'Correct the row, or send the file with another rule for such rows.',
    },
    unterminated_quote: {
      meaning: 'A quote is opened and never closed.',
      action: 'Close it. A quote inside a field is doubled: "a ""b"" c".',
    },
    nul_byte: { meaning: 'The file is binary or damaged.', action: 'Export the data again, as text.' },
    invalid_encoding: {
      meaning: 'The bytes are not text in the encoding.',
      action: 'Send it with the right encoding, or save the file as UTF-8.',
    },
    invalid_compression: {
      meaning: 'The compressed file is damaged or incomplete.',
      action: 'Choose the whole file, or compress it again.',
    },
    empty_file: { meaning: 'The file has no header.', action: 'The first line must have the names of the columns.' },
    header_too_long: {
      meaning: 'The first line is too long for a header.',
      action: 'Add a header, or shorten the names of the columns.',
    },
    not_csv: {
      meaning: 'The file is not a CSV.',
      action: 'Export the data as CSV; a .gz or .zst file need not be unpacked.',
    },
  } as Record<string, { meaning: string; action: string }>,

  sending: {
    title: 'Sending',
    states: {
      waiting: 'waiting',
      sending: 'sending',
      retrying: 'The connection broke. Trying again …',
      paused: 'paused',
      finishing: 'All bytes have arrived. The service makes the chunks …',
      done: 'received',
      failed: 'not sent',
    },
    progress: (name: string) => `Progress of ${name}`,
    bytes: (sent: number, all: number) => `${formatBytes(sent)} of ${formatBytes(all)}`,
    left: (duration: string) => `${duration} left`,
    resumedAt: (sizeBytes: number) => `Resumed at ${formatBytes(sizeBytes)}, where it had stopped.`,
    to: (dataset: string) => `to ${dataset}`,
    pause: (name: string) => `Pause ${name}`,
    resume: (name: string) => `Resume ${name}`,
    cancel: (name: string) => `Cancel ${name}`,
    retry: (name: string) => `Try ${name} again`,
    dismiss: (name: string) => `Remove ${name} from the list`,
    see: (name: string) => `See what becomes of ${name}`,
    said: (name: string, state: string) => `${name}: ${state}`,
    percent: (name: string, percent: number) => `${name}: ${percent} %`,
    signIn: 'Sign in',
  },

  pending: {
    title: 'Not finished',
    intro: 'Sending was interrupted. Choose the same file again to resume it where it stopped.',
    file: (name: string, sizeBytes: number, dataset: string) => `${name} (${formatBytes(sizeBytes)}) to ${dataset}`,
    begun: 'begun',
    choose: (name: string) => `Choose ${name} again`,
    giveUp: (name: string) => `Discard ${name}`,
    other: (name: string) =>
      `That is another file than ${name}, or it has changed since. It is listed below as a new one.`,
  },

  copied: 'Copied',
  notCopied: 'The browser does not permit copying here. Select the text instead.',

  facts: {
    file: 'file',
    dataset: 'dataset',
    status: 'status',
    source: 'source',
    accepted: 'accepted',
    created: 'created',
    landed: 'landed',
    rowsAndSize: (rows: number, sizeBytes: number) => `${counted(rows, 'row')}, ${formatBytes(sizeBytes)}`,
    deviations: (rows: number, blankLines: number) =>
      `${counted(rows, 'row')} with surplus empty cells, ${counted(blankLines, 'blank line')} at the end`,
    afterCreation: (duration: string) => `(${duration} after it was created)`,
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
      'The file is safe, and need not be sent again. Kafka is unavailable; the chunks are announced automatically when it is back.',
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
    table: 'Table of the first rows',
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
