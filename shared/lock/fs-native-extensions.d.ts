/** The package ships no types; this is the part we use. An advisory lock of the open file: the OS drops it with the process. */
declare module 'fs-native-extensions' {
  export function tryLock(fd: number): boolean
}
