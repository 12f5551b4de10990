const slotMs = 60_000

/** The first full minute that is so many seconds away or more, in ms of the clock: the hour that whatever is armed at the same time shares. */
export const slotAfter = (now: number, seconds: number): number => Math.ceil((now + seconds * 1000) / slotMs) * slotMs
