/** Numbers and sizes as the command line shows them. */

const COUNT = new Intl.NumberFormat('en')
const MIB = 1024 * 1024
const ONE_DIGIT = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const TWO_DIGITS = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** `1,234`. */
export function formatCount(value: number): string {
  return COUNT.format(value)
}

/** `1 row`, `1,234 rows`. */
export function counted(value: number, noun: string): string {
  return `${formatCount(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** `29.6 MiB`, and plain bytes below 0.1 MiB. */
export function formatBytes(sizeBytes: number): string {
  if (sizeBytes < Math.floor(MIB / 10)) return `${formatCount(sizeBytes)} B`
  if (sizeBytes < 1024 * MIB) return `${ONE_DIGIT.format(sizeBytes / MIB)} MiB`
  return `${TWO_DIGITS.format(sizeBytes / MIB / 1024)} GiB`
}

/** `61.6 MiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${ONE_DIGIT.format(bytesPerSecond / MIB)} MiB/s`
}
