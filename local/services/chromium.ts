import { installProgram } from './apt.ts'

/** The path of a Chromium. @throws Error with what to do when there is none and it cannot be installed */
export const installChromium = (): Promise<string> => installProgram(['chromium', 'chromium-browser', 'google-chrome'], 'chromium', 'CHROMIUM_PATH')
