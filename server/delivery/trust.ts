/**
 * Whose certificates count when a remote host must prove its name: the public authorities, and those that an operator
 * of a closed network adds. Must never make the list of the public ones shorter.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, rootCertificates } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { AppError } from '../core/errors.ts'

/** `file` holds one or more certificates as PEM. Throws CONFIG_INVALID when it does not. */
export function readTrust(file: string): SecureContext {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    throw new AppError('CONFIG_INVALID', { public: `${file} cannot be read.`, cause: error })
  }
  try {
    return createSecureContext({ ca: [...rootCertificates, ...certificatesIn(pem)] })
  } catch (error) {
    throw new AppError('CONFIG_INVALID', {
      public: `${file} holds no certificates in PEM form, or one that is damaged.`,
      cause: error,
    })
  }
}

/** Each is parsed, because OpenSSL passes over what it cannot read without a word. */
function certificatesIn(pem: string): readonly string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new Error('no certificate')
  return blocks.map((block) => new X509Certificate(block).toString())
}
