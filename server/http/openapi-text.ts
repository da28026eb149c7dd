/** What the OpenAPI document says of the API as a whole, and the headers that many operations share. */
import { SESSION_COOKIE } from './cookies.ts'
import type { Json } from './json.ts'

/** In the order of the reference. Every operation has exactly one of them. */
export const TAGS = [
  { name: 'Messages', description: 'Sending, looking at and cancelling messages.' },
  { name: 'Deliveries', description: 'One message to one recipient: attempts, verdicts, why.' },
  { name: 'Events', description: 'The feed of everything that happened.' },
  { name: 'Domains', description: 'Domains to send from, and what to publish for them.' },
  { name: 'Keys', description: 'API keys of the tenant. A secret is shown once.' },
  { name: 'Credentials', description: 'SMTP logins of the tenant. A password is shown once.' },
  {
    name: 'Session',
    description:
      'Signing in and out, the second factor, and confirming who you are. The session is a cookie; no answer has it.',
  },
  {
    name: 'Account',
    description:
      'The account of who is signed in: name, password, second factors, devices. And one-time links, which need no session.',
  },
  { name: 'Members', description: 'Who belongs to the tenant, and who is invited.' },
  { name: 'Roles', description: 'What members may do, under a name.' },
  { name: 'Tenants', description: 'The customers of the installation, and your own.' },
  { name: 'Users', description: 'The people of the installation. For platform admins.' },
  { name: 'Quotas', description: 'How much may be sent in an hour, a day and a month.' },
  { name: 'Audit', description: 'Who changed what, when and from where; nobody can edit it.' },
  { name: 'Security', description: 'What was noticed about accounts and keys.' },
  { name: 'Queue', description: 'What waits in the whole installation. For platform operators.' },
  { name: 'Egress', description: 'Sources, pools, routes and limits. For platform operators.' },
  { name: 'Installation', description: 'Backups and the master key. For platform admins.' },
  { name: 'System', description: 'Health, metrics and this description. Nobody is asked who.' },
]

export const INTRODUCTION = `Send mail, learn what became of each copy, and look after the installation that does it.

Programs carry an API key: \`Authorization: Bearer ph_live_…\`. It belongs to one tenant and may do what its scopes say; a scope is the permission that an operation names. Mail that a \`ph_test_…\` key sends goes to the sandbox. \`RateLimit-*\` headers tell how many requests a key has left.

People sign in with \`POST /v1/session\`, which sets a cookie. Every request of theirs that is not a GET must come from a page of this origin and carry the header \`Posthorn-Csrf\` with the token of \`GET /v1/session\`. Whoever belongs to several tenants says which with the header \`Posthorn-Tenant\`. Dangerous acts ask for a confirmation of who you are that is some minutes old at most (\`STEP_UP_REQUIRED\`): \`POST /v1/session/confirm\`.

Errors are problem+json (RFC 9457) with a stable \`code\`. Beside the answers that each operation names there are, anywhere, 404 \`ROUTE_NOT_FOUND\` and 405 \`METHOD_NOT_ALLOWED\` for what does not exist, 408 \`REQUEST_TIMEOUT\` for a request that does not arrive in time, and 431 for a header that is too long.

Lists are paged with an opaque \`cursor\`. Sending with an \`Idempotency-Key\` is done once, however often it is asked for; a different request under the same key is refused with 409.`

export const SECURITY_SCHEMES: Json = {
  apiKey: {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key: `ph_live_…`, or `ph_test_…` whose mail goes to the sandbox.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: SESSION_COOKIE,
    description:
      'A person who is signed in. Requests that are not a GET also carry `Posthorn-Csrf` and come from a page of this origin.',
  },
}

/** For `components.parameters`; operations refer to them. */
export const PARAMETERS = {
  IdempotencyKey: {
    in: 'header',
    name: 'Idempotency-Key',
    required: false,
    description:
      'A word of your own for this request. Sent again, it is answered as the first time, with `Idempotency-Replayed: true`.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
    example: 'order-4711-receipt',
  },
  Tenant: {
    in: 'header',
    name: 'Posthorn-Tenant',
    required: false,
    description:
      'For people: the id of the tenant that the request is about. Not needed by who belongs to one only. A key has its tenant, whatever is said here.',
    schema: { type: 'string', maxLength: 64 },
    example: 'ten_01kq3v8r4t2',
  },
  Csrf: {
    in: 'header',
    name: 'Posthorn-Csrf',
    required: false,
    description:
      'For people, who cannot do without: the `csrfToken` of `GET /v1/session`. Their browser adds `Origin`.',
    schema: { type: 'string', maxLength: 128 },
    example: 'q9Zk2mJ0y8sVh7tW1bN5rK4dP9uF6gA2eC8iO3vYxLw',
  },
  Origin: {
    in: 'header',
    name: 'Origin',
    required: false,
    description:
      'Where this installation is reached. Browsers set it; whatever else signs a person in has to.',
    schema: { type: 'string', maxLength: 300 },
    example: 'https://mail.example.com',
  },
} as const satisfies Record<string, Json>
export type ParameterName = keyof typeof PARAMETERS

/** An answer that is not made by a serialiser, so that no schema of it stands at its route. */
const bytes = (description: string, type: string, example: string): Json => ({
  description,
  content: { [type]: { schema: { type: 'string', description, examples: [example] }, example } },
})
export const BINARY: Readonly<Record<string, Json>> = {
  getMessageContent: bytes(
    'The message, always as a download.',
    'message/rfc822',
    'From: orders@shop.example\r\nTo: ada@example.com\r\nSubject: Hi\r\n\r\nHello.\r\n',
  ),
  exportAudit: bytes(
    'One record as JSON on each line, with the hash of the one before it as `previous`.',
    'application/x-ndjson',
    '{"id":"aud_00000000012","at":"2026-01-01T09:00:00.000Z","tenant":"ten_00000000001","actor":{"kind":"user","name":"anna@shop.example","means":"session"},"action":"key.created","target":{"kind":"key","id":"key_00000000007","name":"shop backend"},"hash":"5f0c…","previous":"91be…"}\n',
  ),
  metrics: bytes(
    'Metrics in the Prometheus text format.',
    'text/plain',
    '# TYPE posthorn_messages_accepted_total counter\nposthorn_messages_accepted_total 42\n',
  ),
  openapi: bytes('The description.', 'application/json', '{"openapi":"3.1.0"}'),
}
