/** A certificate and its key, as the operator's files hold them. For SMTP and HTTP alike; a key is never logged. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError } from '../core/errors.ts'

/** PEM: a chain, and its unencrypted private key. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** Paths of the two. */
export interface CertificateFiles {
  readonly key: string
  readonly cert: string
}

/** The first certificate of the chain; undefined when one of the two is no PEM, or they are not a pair. */
export function parseCertificate({ key, cert }: Certificate): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(cert)
    return certificate.checkPrivateKey(createPrivateKey(key)) ? certificate : undefined
  } catch {
    return undefined
  }
}

/** Throws CONFIG_INVALID when the files cannot be read, or do not belong together. */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const pair = { key: await read(files.key), cert: await read(files.cert) }
  if (parseCertificate(pair) === undefined)
    throw new AppError('CONFIG_INVALID', {
      public: `${files.cert} and ${files.key} are not a PEM certificate and its unencrypted private key.`,
    })
  return pair
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', { public: `${file} cannot be read.`, cause })
  }
}
