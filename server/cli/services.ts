/**
 * What commands may ask of the running program. A command that needs a use case adds its line here; `main.ts` hands
 * in the object, and the frame opens it when a command first asks and closes it afterwards. Commands never open the
 * database themselves.
 */

export interface CliServices {
  /** Lets go of the database and everything else that was opened. */
  close(): Promise<void>
}
