/** Times and durations. */

const MOMENT = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })
const SECONDS = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })

/** A moment in the time zone of the reader: `Nov 29, 2026, 11:30:05 AM`. */
export function formatMoment(iso: string): string {
  return MOMENT.format(new Date(iso))
}

/** `2026-11-29 11:30:05 UTC`, as the command line shows it. */
export function formatUtc(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Seconds between two moments. */
export function secondsBetween(start: string, end: string): number {
  return (new Date(end).getTime() - new Date(start).getTime()) / 1000
}

/** `4.2 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 59.95) return `${SECONDS.format(Math.max(0, seconds))} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
