/** Sends files by Uppy and its tus plugin, whatever view is shown. */

import Uppy, { type Meta } from '@uppy/core'
import { getSafeFileId } from '@uppy/core/utils'
import Tus, { type TusBody, type TusOpts } from '@uppy/tus'
import type { HttpRequest, HttpResponse } from 'tus-js-client'
import { addressOf, problemIn } from '../api/client.ts'
import type { Problem } from '../api/types.ts'
import { texts } from '../texts.ts'
import { forgetPending, PendingStorage, type PendingUpload } from './pending.ts'
import { RateMeter } from './rate.ts'
import { isActive, isFinalRefusal, type Sending, saysNothing } from './sending.ts'

/** As long as an hour, so that a line may be down for lunch; progress begins the list anew. */
const RETRY_DELAYS_MS = [500, 1_000, 3_000, 5_000, 10_000, ...Array<number>(240).fill(15_000)]
/** Files that are sent at the same time; the service has a limit for each key. */
const FILES_AT_ONCE = 2
const PROGRESS_INTERVAL_MS = 250
const SILENT = { debug: () => {}, warn: () => {}, error: () => {} }

export class Sender {
  readonly #endpoint = addressOf('files')
  readonly #uppy: Uppy<Meta, TusBody>
  readonly #sendings = new Map<string, Sending>()
  readonly #meters = new Map<string, RateMeter>()
  readonly #refusals = new Map<string, Problem>()
  readonly #listeners = new Set<() => void>()
  #shown: readonly Sending[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    this.#uppy = new Uppy<Meta, TusBody>({ logger: SILENT }).use(Tus, {
      endpoint: this.#endpoint,
      limit: FILES_AT_ONCE,
      retryDelays: RETRY_DELAYS_MS,
      removeFingerprintOnSuccess: true,
    })
    this.#uppy.on(
      'upload-progress',
      (file, progress) => file && this.#progress(file.id, Number(progress.bytesUploaded)),
    )
    this.#uppy.on('upload-success', (file) => file && this.#succeed(file.id))
    this.#uppy.on('upload-error', (file, error, response) => {
      if (file) this.#fail(file.id, error.message, response?.body?.xhr)
    })
  }

  /** The files that were sent, are sent or wait for it. */
  get sendings(): readonly Sending[] {
    return this.#shown
  }

  /** Call `listener` after every change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Return the unfinished upload that choosing `file` continues. */
  findPending(file: File, pending: readonly PendingUpload[]): PendingUpload | undefined {
    const described = { name: file.name, type: file.type, data: file, isRemote: false as const }
    const id = getSafeFileId(described, this.#uppy.getID())
    return pending.find((each) => each.fingerprint === `tus-${id}-${this.#endpoint}`)
  }

  /** Return whether the bytes of the unfinished upload at `address` are on their way, or wait for a retry. */
  isSending(address: string): boolean {
    return this.#shown.some((sending) => sending.state !== 'done' && this.#addressOf(sending.id) === address)
  }

  /** Send a file, or continue where an upload of it with the same `metadata` has stopped. */
  send(file: File, metadata: Record<string, string>): void {
    const known = [...this.#sendings.values()].find((each) => each.name === file.name && each.sizeBytes === file.size)
    if (known && !isActive(known)) this.dismiss(known.id)
    const id = this.#add(file, metadata)
    if (id === null) return
    const tus: TusOpts<Meta, TusBody> = {
      urlStorage: new PendingStorage(metadata),
      allowedMetaFields: Object.keys(metadata),
      headers: { 'Idempotency-Key': randomKey() }, // a lost answer to the creation must not leave a second upload
      onAfterResponse: (request, response) => this.#inspect(id, request, response),
      onShouldRetry: (error, _attempt, _options, next) => {
        const willRetry = !this.#refusals.has(id) && next(error)
        if (willRetry) this.#interrupt(id)
        return willRetry
      },
    }
    this.#uppy.setFileState(id, { tus })
    this.#sendings.set(id, begun(id, file, metadata.dataset_name ?? ''))
    this.#meters.set(id, new RateMeter())
    this.#notify()
    this.#start(id)
  }

  pause(id: string): void {
    if (this.#uppy.getFile(id).isPaused) return
    this.#uppy.pauseResume(id)
    this.#meters.get(id)?.reset()
    this.#change(id, { state: 'paused', bytesPerSecond: null, secondsLeft: null })
  }

  resume(id: string): void {
    if (!this.#uppy.getFile(id).isPaused) return
    this.#uppy.pauseResume(id)
    this.#change(id, { state: 'waiting' })
  }

  retry(id: string): void {
    this.#refusals.delete(id)
    this.#meters.get(id)?.reset()
    this.#change(id, { state: 'waiting', problem: null })
    this.#start(id)
  }

  /** Stop sending a file; the service removes what it has of it. */
  cancel(id: string): void {
    const address = this.#addressOf(id)
    this.dismiss(id)
    if (address) forgetPending(address)
  }

  /** Take a file off the list. */
  dismiss(id: string): void {
    this.#uppy.removeFile(id)
    this.#sendings.delete(id)
    this.#meters.delete(id)
    this.#refusals.delete(id)
    this.#notify()
  }

  /** Not by `upload()`, which would also send again what has failed. */
  #start(id: string): void {
    void this.#uppy.retryUpload(id).catch(() => undefined) // each failure comes as an event
  }

  #add(file: File, metadata: Record<string, string>): string | null {
    try {
      return this.#uppy.addFile({ name: file.name, type: file.type, data: file, meta: metadata })
    } catch {
      return null // it is being sent already
    }
  }

  /** Look at each answer: where sending goes on, what the upload is called, and whether to trust it. */
  #inspect(id: string, request: HttpRequest, response: HttpResponse): void {
    const status = response.getStatus()
    const uploadId = response.getHeader('CSVPipe-Upload')
    if (uploadId) this.#change(id, { uploadId })
    if (request.getMethod() !== 'HEAD') return
    if (status === 401 || status === 403) this.#refusals.set(id, { ...problemIn('', status), ...SESSION_ENDED })
    if (saysNothing(status)) throw new Error(texts.errors.unexpectedStatus(status))
    const offset = Number(response.getHeader('Upload-Offset') ?? 0)
    if (this.#sendings.get(id)?.sentBytes === 0) this.#change(id, { resumedAt: offset, sentBytes: offset })
  }

  #progress(id: string, sentBytes: number): void {
    const [sending, meter] = [this.#sendings.get(id), this.#meters.get(id)]
    if (!sending || !meter || sending.state === 'paused' || sending.state === 'done') return
    meter.add(sentBytes, performance.now())
    const isAllSent = sentBytes >= sending.sizeBytes
    this.#sendings.set(id, {
      ...sending,
      sentBytes,
      state: isAllSent ? 'finishing' : 'sending',
      bytesPerSecond: meter.bytesPerSecond,
      secondsLeft: isAllSent ? null : meter.secondsFor(sending.sizeBytes - sentBytes),
    })
    this.#timer ??= setTimeout(() => this.#notify(), PROGRESS_INTERVAL_MS)
  }

  #interrupt(id: string): void {
    this.#meters.get(id)?.reset()
    if (this.#sendings.get(id)?.state !== 'paused') {
      this.#change(id, { state: 'retrying', bytesPerSecond: null, secondsLeft: null })
    }
  }

  #succeed(id: string): void {
    const sizeBytes = this.#sendings.get(id)?.sizeBytes ?? 0
    this.#change(id, { state: 'done', sentBytes: sizeBytes, bytesPerSecond: null, secondsLeft: null })
  }

  #fail(id: string, message: string, xhr: XMLHttpRequest | undefined): void {
    const answered = xhr && xhr.status > 0 ? problemIn(xhr.responseText, xhr.status) : null
    const problem = this.#refusals.get(id) ?? answered ?? { ...LINE_BROKEN, detail: `${LINE_BROKEN.detail} ${message}` }
    const address = this.#addressOf(id)
    if (address && isFinalRefusal(problem.status)) {
      forgetPending(address)
      this.#uppy.setFileState(id, { tus: withoutAddress(this.#tusOf(id)) })
    }
    this.#change(id, { state: 'failed', problem, bytesPerSecond: null, secondsLeft: null })
  }

  #tusOf(id: string): TusOpts<Meta, TusBody> {
    const file = this.#uppy.getFile(id)
    return ('tus' in file ? file.tus : undefined) ?? {}
  }

  #addressOf(id: string): string | null {
    return this.#tusOf(id).uploadUrl ?? null
  }

  #change(id: string, members: Partial<Sending>): void {
    const sending = this.#sendings.get(id)
    if (!sending) return
    this.#sendings.set(id, { ...sending, ...members })
    this.#notify()
  }

  #notify(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#shown = [...this.#sendings.values()]
    for (const listener of this.#listeners) listener()
  }
}

const SESSION_ENDED = { title: texts.session.ended, detail: texts.send.sessionEnded, code: 'unauthenticated' }
const LINE_BROKEN = { title: texts.errors.unreachable, status: 0, detail: texts.send.lineBroken, code: 'unreachable' }

function begun(id: string, file: File, dataset: string): Sending {
  return {
    id,
    name: file.name,
    dataset,
    sizeBytes: file.size,
    sentBytes: 0,
    resumedAt: 0,
    bytesPerSecond: null,
    secondsLeft: null,
    state: 'waiting',
    uploadId: null,
    problem: null,
  }
}

/** Not `crypto.randomUUID`, which browsers offer over HTTPS only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16).padStart(8, '0')).join('')
}

function withoutAddress({ uploadUrl: _, ...rest }: TusOpts<Meta, TusBody>): TusOpts<Meta, TusBody> {
  return rest
}
