import { request } from './client.ts'
import type { FirstRows, Link, Readers, UploadPage, UploadStatus } from './types.ts'

export interface UploadFilter {
  dataset: string
  status: string
}

export const PAGE_SIZE = 50

export const listUploads = (filter: UploadFilter, cursor: string, signal: AbortSignal) =>
  request<UploadPage>('uploads', { query: { ...filter, cursor, limit: PAGE_SIZE }, signal })

export const getStatus = (uploadId: string, signal: AbortSignal) =>
  request<UploadStatus>(`uploads/${uploadId}/status`, { signal })

export const announce = (uploadId: string) => request<UploadStatus>(`uploads/${uploadId}/announce`, { method: 'POST' })

export const deleteUpload = (uploadId: string, force: boolean) =>
  request<void>(`uploads/${uploadId}`, { method: 'DELETE', query: { force: force ? 'true' : undefined } })

export const getFirstRows = (uploadId: string, signal: AbortSignal) =>
  request<FirstRows>(`uploads/${uploadId}/rows`, { query: { limit: 20 }, signal })

export const getReaders = (uploadId: string, signal: AbortSignal) =>
  request<Readers>(`uploads/${uploadId}/readers`, { signal })

export const getLinks = async (uploadId: string, signal: AbortSignal) =>
  (await request<{ links: Link[] }>(`uploads/${uploadId}/links`, { signal })).links
