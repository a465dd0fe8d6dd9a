/** How fast bytes are sent, from the last seconds. */

const WINDOW_MS = 8_000

interface Sample {
  atMs: number
  bytes: number
}

export class RateMeter {
  readonly #samples: Sample[] = []

  /** Note that `bytes` have been sent in all. Fewer than before: sending has begun again. */
  add(bytes: number, atMs: number): void {
    const last = this.#samples.at(-1)
    if (last && bytes < last.bytes) this.reset()
    this.#samples.push({ atMs, bytes })
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? atMs) > WINDOW_MS) this.#samples.shift()
  }

  /** Forget what was before a pause. */
  reset(): void {
    this.#samples.length = 0
  }

  /** Bytes a second; null while that is unknown. */
  get bytesPerSecond(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (!first || !last || last.atMs - first.atMs < 500) return null
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs)
  }

  /** Seconds for `bytes` more; null while that is unknown. */
  secondsFor(bytes: number): number | null {
    const rate = this.bytesPerSecond
    return rate === null || rate <= 0 ? null : bytes / rate
  }
}
