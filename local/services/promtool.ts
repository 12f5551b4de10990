import { installProgram } from './apt.ts'

/** The path of promtool, which Debian has in the package of Prometheus. @throws Error with what to do when there is none and it cannot be installed */
export const installPromtool = (): Promise<string> => installProgram(['promtool'], 'prometheus', 'PROMTOOL_PATH')
