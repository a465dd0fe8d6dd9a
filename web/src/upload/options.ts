/** How files are sent: the fields of an upload, and their rules. */

import type { ChunkType } from '../api/types.ts'

export interface SendOptions {
  dataset: string
  /** Empty: the default of the service. */
  chunkType: ChunkType | ''
  chunkSize: string
  strict: 'true' | 'lenient' | 'false'
  delimiter: string
  encoding: string
}

export const DEFAULT_OPTIONS: SendOptions = {
  dataset: '',
  chunkType: '',
  chunkSize: '',
  strict: 'true',
  delimiter: '',
  encoding: '',
}

export type OptionFault = 'dataset-missing' | 'dataset-invalid' | 'dataset-not-permitted' | 'chunk-size-invalid'

const DATASET = /^(?!\.+$)[A-Za-z0-9_.-]{1,128}$/

/** Return what is wrong with `options`, for a key with the patterns `permitted` of datasets. */
export function faultsOf(options: SendOptions, permitted: readonly string[]): OptionFault[] {
  const faults: OptionFault[] = []
  const dataset = datasetFault(options.dataset, permitted)
  if (dataset) faults.push(dataset)
  if (options.chunkType !== '' && !/^[1-9][0-9]{0,9}$/.test(options.chunkSize.trim())) faults.push('chunk-size-invalid')
  return faults
}

function datasetFault(name: string, permitted: readonly string[]): OptionFault | null {
  if (name === '') return 'dataset-missing'
  if (!DATASET.test(name)) return 'dataset-invalid'
  return permitted.some((pattern) => matches(name, pattern)) ? null : 'dataset-not-permitted'
}

/** Return whether a dataset's name matches a pattern of a key, in which `*` stands for any characters. */
export function matches(name: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.]/g, '\\.'))
  return new RegExp(`^${parts.join('.*')}$`).test(name)
}

/** Return `Upload-Metadata` of a file: no field that is left to the service. */
export function metadataOf(options: SendOptions, filename: string): Record<string, string> {
  const given: Record<string, string> = {
    dataset_name: options.dataset,
    filename,
    strict: options.strict,
    delimiter: options.delimiter,
    encoding: options.encoding.trim(),
  }
  if (options.chunkType !== '') {
    given.chunk_type = options.chunkType
    given.chunk_size = options.chunkSize.trim()
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
}
