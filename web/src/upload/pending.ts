/** The uploads that were begun and not finished: where their bytes go, kept across reloads. */

import type { PreviousUpload, UrlStorage } from 'tus-js-client'

const PREFIX = 'csvpipe-send::'

/** An upload that can go on when its file is chosen again. */
export interface PendingUpload {
  storageKey: string
  fingerprint: string
  address: string
  filename: string
  dataset: string
  sizeBytes: number
  begunAt: string
  metadata: Record<string, string>
}

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/**
 * Where tus-js-client keeps the addresses of the uploads of one file.
 *
 * It knows a file by name, size and date. An upload that was begun with other options (another dataset!) is not found, so
 * that the file is sent anew with those that were chosen now.
 */
export class PendingStorage implements UrlStorage {
  readonly #metadata: Record<string, string>
  readonly #store: Store

  constructor(metadata: Record<string, string>, store: Store = localStorage) {
    this.#metadata = metadata
    this.#store = store
  }

  async findAllUploads(): Promise<PreviousUpload[]> {
    return entries(this.#store).filter((upload) => isSame(upload.metadata, this.#metadata))
  }

  async findUploadsByFingerprint(fingerprint: string): Promise<PreviousUpload[]> {
    const all = await this.findAllUploads()
    return all.filter((upload) => fingerprintOf(upload.urlStorageKey) === fingerprint)
  }

  async removeUpload(urlStorageKey: string): Promise<void> {
    this.#store.removeItem(urlStorageKey)
  }

  async addUpload(fingerprint: string, upload: PreviousUpload): Promise<string> {
    const key = `${PREFIX}${fingerprint}::${Date.now()}`
    try {
      this.#store.setItem(key, JSON.stringify(upload))
    } catch {
      // No room, or a private window: the upload goes on, but not after a reload.
    }
    return key
  }
}

/** Return the unfinished uploads, the newest first, and forget those that have expired. */
export function listPending(expiryHours: number, now: Date = new Date(), store: Store = localStorage): PendingUpload[] {
  const oldest = now.getTime() - expiryHours * 3_600_000
  const found: PendingUpload[] = []
  for (const upload of entries(store)) {
    if (new Date(upload.creationTime).getTime() < oldest || !upload.uploadUrl) store.removeItem(upload.urlStorageKey)
    else found.push(describe(upload, upload.uploadUrl))
  }
  return found.sort((a, b) => (a.begunAt < b.begunAt ? 1 : -1))
}

/** Forget an upload. */
export function forgetPending(address: string, store: Store = localStorage): void {
  for (const upload of entries(store)) if (upload.uploadUrl === address) store.removeItem(upload.urlStorageKey)
}

function describe(upload: PreviousUpload, address: string): PendingUpload {
  return {
    storageKey: upload.urlStorageKey,
    fingerprint: fingerprintOf(upload.urlStorageKey),
    address,
    filename: upload.metadata.filename ?? '',
    dataset: upload.metadata.dataset_name ?? '',
    sizeBytes: upload.size ?? 0,
    begunAt: new Date(upload.creationTime).toISOString(),
    metadata: upload.metadata,
  }
}

function entries(store: Store): PreviousUpload[] {
  const keys = Array.from({ length: store.length }, (_, index) => store.key(index))
  return keys.flatMap((key) => {
    const text = key?.startsWith(PREFIX) ? store.getItem(key) : null
    if (!key || text === null) return []
    try {
      return [{ ...(JSON.parse(text) as PreviousUpload), urlStorageKey: key }]
    } catch {
      return []
    }
  })
}

function fingerprintOf(storageKey: string): string {
  return storageKey.slice(PREFIX.length, storageKey.lastIndexOf('::'))
}

function isSame(one: Record<string, string>, other: Record<string, string>): boolean {
  const sorted = (metadata: Record<string, string>) => JSON.stringify(Object.entries(metadata).sort())
  return sorted(one) === sorted(other)
}
