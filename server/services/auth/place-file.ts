/**
 * One GeoIP database (.mmdb): read whole into memory, proved to be one, and read again when the file has changed. A file
 * that breaks later is not taken: the former content stays in use.
 */
import { readFile, stat } from 'node:fs/promises'
import { Reader } from 'maxmind'
import type { Response } from 'maxmind'
import { AppError } from '../../core/errors.ts'
import type { Log } from '../../core/ports.ts'

export interface PlaceFile {
  /** Of the operator's, or the one that comes along. */
  readonly path: string
  /** `GeoLite2-City`, `country ipvAll`. */
  readonly type: () => string
  /** When the content was made, epoch ms. */
  readonly builtAt: () => number
  /** The record of an address in canonical form; null when there is none. Never throws. */
  readonly recordOf: (address: string) => unknown
  /** Takes the file's new content if it has changed and is whole. Never rejects. */
  readonly refresh: () => Promise<void>
}

const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
/** Asked once at the start: a file that was cut or scribbled on mostly fails at one of them. */
const SAMPLES = ['1.1.1.1', '8.8.8.8', '81.2.69.142', '203.0.113.9', '2001:4860:4860::8888', '::1']

interface Content {
  readonly reader: Reader<Response>
  readonly stamp: string
}

/** Throws CONFIG_INVALID with the way out. `setting` is what the operator set, undefined for the one that comes along. */
export async function openPlaceFile(
  path: string,
  { setting, log }: { readonly setting: string | undefined; readonly log: Log },
): Promise<PlaceFile> {
  let content: Content
  try {
    content = await readContent(path)
  } catch (cause) {
    throw refusal(path, setting, cause)
  }
  let refused: string | undefined
  let hasWarned = false
  return {
    path,
    type: () => content.reader.metadata.databaseType,
    builtAt: () => content.reader.metadata.buildEpoch.getTime(),
    recordOf(address) {
      try {
        return recordOf(content.reader, address)
      } catch (error) {
        if (!hasWarned)
          log.warn({ evt: 'geoip', path, error }, 'place database has a broken record')
        hasWarned = true
        return null
      }
    },
    async refresh() {
      try {
        const stamp = await stampOf(path)
        if (stamp === content.stamp || stamp === refused) return
        // Noted before reading: a file that is broken is complained about once, not every hour.
        refused = stamp
        content = await readContent(path)
        refused = undefined
        hasWarned = false
        log.info({ evt: 'geoip', path, type: content.reader.metadata.databaseType }, 'places read')
      } catch (error) {
        log.warn({ evt: 'geoip', path, error }, 'place database not read, the former stays in use')
      }
    },
  }
}

async function stampOf(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(path)
  return `${mtimeMs}/${size}/${ino}`
}

async function readContent(path: string): Promise<Content> {
  // Before the content: what is written in between is found the next time.
  const stamp = await stampOf(path)
  const bytes = await readFile(path)
  if (bytes.lastIndexOf(MARKER) < 0) throw new Error('it is no MaxMind database, or is cut short')
  const reader = new Reader<Response>(bytes)
  const { binaryFormatMajorVersion, ipVersion, searchTreeSize } = reader.metadata
  if (binaryFormatMajorVersion !== 2)
    throw new Error(`it has format ${binaryFormatMajorVersion}; only format 2 can be read`)
  if (ipVersion !== 4 && ipVersion !== 6) throw new Error('it is of no known IP version')
  if (!(searchTreeSize > 0 && searchTreeSize + 16 < bytes.length))
    throw new Error('it is shorter than it says')
  for (const sample of SAMPLES) recordOf(reader, sample)
  return { reader, stamp }
}

/** A database of IPv4 alone answers questions about IPv6 wrongly, so it is not asked. */
const recordOf = (reader: Reader<Response>, address: string): unknown =>
  reader.metadata.ipVersion === 4 && address.includes(':') ? null : reader.get(address)

function refusal(path: string, setting: string | undefined, cause: unknown): AppError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const wayOut =
    setting === undefined
      ? 'It comes with the program: install it again, or set security.geoip.cityFile to another one.'
      : `Put a whole .mmdb file there, or take ${setting} out of the configuration.`
  return new AppError('CONFIG_INVALID', {
    public: `The place database ${path} cannot be used: ${why}. ${wayOut}`,
    cause,
  })
}
