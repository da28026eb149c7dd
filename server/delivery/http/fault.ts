/** Why there is no response: values, since what a stranger's host does or names is never an exception of ours. */

export const FETCH_FAULTS = [
  'bad-url', // no URL, or one with a scheme, port, credentials or characters that are not taken
  'bad-header', // a header of ours that would break out of its line, or that only we may set
  'dns', // the name has no address, or nobody answered
  'private-address', // the name or address leads into a network of ours
  'refused', // no address takes a connection
  'tls', // no handshake, or a certificate that does not prove the name
  'timeout',
  'lost', // the connection ended before the response did
  'protocol', // what came is not HTTP
  'encoded', // the body is compressed, which was not asked for
  'too-big',
  'redirects', // too many, or to where none may lead
  'closed', // given up by us
] as const
export type FetchFault = (typeof FETCH_FAULTS)[number]

export interface FetchFailure {
  readonly ok: false
  readonly fault: FetchFault
  /** Our own words; they may hold names and addresses that the remote chose, never text that it sent. */
  readonly detail: string
}

export const failure = (fault: FetchFault, detail: string): FetchFailure => ({
  ok: false,
  fault,
  detail,
})

/** The system's or OpenSSL's code of an error, which is short and ours, where there is one. */
export const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
