/** Certificates for tests, made on the spot: self-signed, so each is its own authority. */
import { generate } from 'selfsigned'

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** Valid from yesterday on, for `names` (the first is the common name). */
export async function makeCertificate(
  names: readonly string[],
  options: { readonly notAfterDate?: Date } = {},
): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: names[0]! }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 86_400_000),
    notAfterDate: options.notAfterDate ?? new Date(Date.now() + 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2 as const, value })) },
    ],
  })
  return { key: made.private, cert: made.cert }
}
