/** Requests to the uploader, and their errors. */

import { texts } from '../texts.ts'
import type { Problem } from './types.ts'

type Query = Record<string, string | number | null | undefined>

interface Options {
  method?: string
  query?: Query
  json?: unknown
  body?: Blob
  signal?: AbortSignal
}

/** A refusal by the uploader, or the lack of an answer (code `unreachable`). */
export class ApiError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }

  get code(): string {
    return this.problem.code
  }

  get status(): number {
    return this.problem.status
  }
}

/** Return the address of `path` beside the page, with `query` and without its empty values. */
export function addressOf(path: string, query: Query = {}): string {
  const url = new URL(path, document.baseURI)
  url.hash = ''
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, String(value))
  }
  return url.href
}

/** Send a request and return the JSON of its answer; throw an {@link ApiError} for everything but 2xx. */
export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options)
  const text = await response.text()
  if (!response.ok) throw new ApiError(problemIn(text, response.status))
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** Return the problem document in `text`, or one made from the status if a proxy answered in its own words. */
export function problemIn(text: string, status: number): Problem {
  try {
    const document: unknown = JSON.parse(text)
    if (isProblem(document)) return document
  } catch {
    // not JSON
  }
  return { title: texts.errors.unexpected, status, detail: texts.errors.unexpectedStatus(status), code: 'unexpected' }
}

/** Return the problem of anything that was thrown. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem
  const detail = error instanceof Error ? error.message : String(error)
  return { title: texts.errors.unexpected, status: 0, detail, code: 'unexpected' }
}

async function send(path: string, { method = 'GET', query, json, body, signal }: Options): Promise<Response> {
  const init: RequestInit = { method, headers: { Accept: 'application/json' } }
  if (signal) init.signal = signal
  if (json !== undefined) {
    init.headers = { ...init.headers, 'Content-Type': 'application/json' }
    init.body = JSON.stringify(json)
  }
  if (body) {
    init.headers = { ...init.headers, 'Content-Type': 'application/octet-stream' }
    init.body = body
  }
  try {
    return await fetch(addressOf(path, query), init)
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(unreachable())
  }
}

function unreachable(): Problem {
  return { title: texts.errors.unreachable, status: 0, detail: texts.errors.unreachableDetail, code: 'unreachable' }
}

function isProblem(document: unknown): document is Problem {
  return (
    typeof document === 'object' &&
    document !== null &&
    'code' in document &&
    'detail' in document &&
    typeof document.detail === 'string'
  )
}
