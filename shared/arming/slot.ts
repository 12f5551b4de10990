/** The first full minute, or multiple of `unitSeconds`, that is so many seconds away or more, in ms of the clock: what is armed for the same one is armed once. */
export function slotAfter(now: number, seconds: number, unitSeconds = 60): number {
  const unit = unitSeconds * 1000
  return Math.ceil((now + seconds * 1000) / unit) * unit
}
