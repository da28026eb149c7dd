/**
 * A small S3 on loopback that is as strict as the real one where it matters: it checks signatures (AWS Signature
 * Version 4), the hash and the CRC-32 of each body, refuses parts that are too small, shows nothing of an upload before it is
 * complete, and lists in pages. It can be told to fail.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import type { TargetSettings } from '../../server/services/backup/target.ts'

const ACCESS_KEY = 'AKIDTEST'
const SECRET_KEY = 'wJalrXUtnFEMI-test'
const BUCKET = 'backups'
const REGION = 'eu-test-1'
const SMALLEST_PART = 5 * 1024 * 1024

export interface S3Request {
  readonly method: string
  /** Of the object, without the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly bytes: number
}

export interface S3Double {
  readonly settings: Extract<TargetSettings, { kind: 's3' }>
  readonly objects: Map<string, Buffer>
  /** Uploads that were begun and neither completed nor aborted. */
  readonly uploads: Map<string, Map<number, Buffer>>
  readonly requests: readonly S3Request[]
  /** Called before each request is served; what it returns is the answer instead. */
  fail: (request: S3Request) => { status: number; code: string } | 'cut' | undefined
  /** Objects on one page of a list. */
  pageSize: number
  close(): Promise<void>
}

export async function s3Double(): Promise<S3Double> {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Map<number, Buffer>>()
  const requests: S3Request[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => answer(request, response, Buffer.concat(pieces)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://s3.test')
    const path = decodeURIComponent(url.pathname)
    const key = path.slice(BUCKET.length + 2)
    const seen = { method: request.method ?? '', key, query: url.searchParams, bytes: body.length }
    requests.push(seen)
    const error = (status: number, code: string): void =>
      void response
        .writeHead(status, { 'content-type': 'application/xml' })
        .end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
    const failure = double.fail(seen)
    if (failure === 'cut') return void request.socket.destroy()
    if (failure !== undefined) {
      error(failure.status, failure.code)
      return
    }
    const wrong = complaint(request, url, body)
    if (wrong !== undefined) {
      error(wrong.startsWith('Bad') ? 400 : 403, wrong)
      return
    }
    if (!path.startsWith(`/${BUCKET}`)) {
      error(404, 'NoSuchBucket')
      return
    }
    serve(seen, body, response, error)
  }

  function serve(
    { method, key, query }: S3Request,
    body: Buffer,
    response: ServerResponse,
    error: (status: number, code: string) => void,
  ): void {
    const xml = (text: string): void =>
      void response.writeHead(200, { 'content-type': 'application/xml' }).end(text)
    const upload = uploads.get(query.get('uploadId') ?? '')
    if (query.has('uploadId') && upload === undefined) {
      error(404, 'NoSuchUpload')
      return
    }
    if (method === 'GET' && query.get('list-type') === '2') {
      xml(listed(query))
      return
    }
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${uploads.size}-${requests.length}`
      uploads.set(id, new Map())
      xml(
        `<InitiateMultipartUploadResult><Bucket>${BUCKET}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      )
      return
    }
    if (method === 'PUT' && upload !== undefined) {
      upload.set(Number(query.get('partNumber')), body)
      return void response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (method === 'POST' && upload !== undefined) {
      const parts = [...upload].sort(([a], [b]) => a - b).map(([, part]) => part)
      if (parts.slice(0, -1).some((part) => part.length < SMALLEST_PART)) {
        error(400, 'EntityTooSmall')
        return
      }
      objects.set(key, Buffer.concat(parts))
      uploads.delete(query.get('uploadId')!)
      xml(`<CompleteMultipartUploadResult><Key>${key}</Key></CompleteMultipartUploadResult>`)
      return
    }
    if (method === 'DELETE' && upload !== undefined) {
      uploads.delete(query.get('uploadId')!)
      return void response.writeHead(204).end()
    }
    if (method === 'PUT') {
      objects.set(key, body)
      return void response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (method === 'DELETE') {
      objects.delete(key)
      return void response.writeHead(204).end()
    }
    const object = objects.get(key)
    if (object === undefined) {
      error(404, 'NoSuchKey')
      return
    }
    response.writeHead(200, { 'content-length': object.length, etag: etagOf(object) })
    response.end(method === 'HEAD' ? undefined : object)
  }

  function listed(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, double.pageSize)
    const contents = page
      .map(
        (key) => `<Contents><Key>${key}</Key><Size>${objects.get(key)!.length}</Size></Contents>`,
      )
      .join('')
    const more = keys.length > page.length
    const next = more ? `<NextContinuationToken>${page.at(-1)!}</NextContinuationToken>` : ''
    return `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents}</ListBucketResult>`
  }

  const { port } = server.address() as AddressInfo
  const double: S3Double = {
    objects,
    uploads,
    requests,
    fail: () => undefined,
    pageSize: 1_000,
    settings: {
      kind: 's3',
      bucket: BUCKET,
      prefix: 'mail/',
      endpoint: `http://127.0.0.1:${port}`,
      region: REGION,
      pathStyle: true,
      accessKey: ACCESS_KEY,
      secretKey: SECRET_KEY,
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return double
}

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: Buffer | string, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest()

/** What S3 would refuse the request for; undefined when it is in order. */
function complaint(request: IncomingMessage, url: URL, body: Buffer): string | undefined {
  const header = (name: string): string => String(request.headers[name] ?? '')
  const [, accessKey, day, region, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    ) ?? []
  if (signature === undefined || day === undefined || region === undefined) return 'AccessDenied'
  if (accessKey !== ACCESS_KEY) return 'InvalidAccessKeyId'
  if (region !== REGION) return 'AuthorizationHeaderMalformed'
  const hash = header('x-amz-content-sha256')
  if (hash !== sha256(body)) return 'BadDigest'
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const signed = names!.split(';')
  const canonical = [
    request.method,
    url.pathname,
    query,
    ...signed.map((name) => `${name}:${header(name).trim()}`),
    '',
    names,
    hash,
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, sha256(canonical)].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    (under, part) => hmac(under, part),
    `AWS4${SECRET_KEY}`,
  )
  if (hmac(key, text).toString('hex') !== signature) return 'SignatureDoesNotMatch'
  const checksum = header('x-amz-checksum-crc32')
  if (request.method === 'PUT') {
    const own = Buffer.alloc(4)
    own.writeUInt32BE(crc32(body))
    if (checksum !== own.toString('base64')) return 'BadDigest'
  }
  return undefined
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )
