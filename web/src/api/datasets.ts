import { request } from './client.ts'
import type { DatasetDetail, DatasetList } from './types.ts'

export const listDatasets = (cursor: string, signal: AbortSignal) =>
  request<DatasetList>('datasets', { query: { cursor }, signal })

export const getDataset = (name: string, signal: AbortSignal) =>
  request<DatasetDetail>(`datasets/${encodeURIComponent(name)}`, { signal })
