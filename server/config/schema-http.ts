/** The boot settings of the HTTP listener. */
import Type from 'typebox'
import { corsOrigin, duration, list, listen, network, origin, path, section, size } from './leaf.ts'

export const http = section('The HTTP listener: API, admin, tracking, metrics.', {
  listen: listen('Where to listen.', { default: '127.0.0.1:8080' }),
  publicUrl: Type.Optional(
    origin(
      'How people and mail programs reach this listener; it goes into links and tracking, and signed-in people can change things only from there.',
    ),
  ),
  certificate: Type.Optional(
    path('PEM file with the certificate chain. Set: the listener speaks TLS only, 1.2 or later.'),
  ),
  key: Type.Optional(path('PEM file with the private key of the certificate.')),
  trustedProxies: list(
    'Proxies whose X-Forwarded-For, -Proto and -Host are believed.',
    network('Address or network of a proxy.'),
  ),
  corsOrigins: list(
    'Sites whose pages may call the API from a browser, with an API key. Everybody who uses such a page can see its key.',
    corsOrigin('Origin of a site.'),
  ),
  metricsNetworks: list(
    'Who may read /metrics and the details of /readyz, beside this machine itself.',
    network('Address or network of a monitoring system.'),
  ),
  bodyLimit: size('Largest request body with mail in it; any other may have 1 MiB.', '50 MiB', {
    atLeast: '1 KiB',
    atMost: '1 GiB',
  }),
  requestTimeout: duration('How long a request may take to arrive in full.', '60 s', {
    atLeast: '1 s',
    atMost: '1 h',
  }),
  handlerTimeout: duration('How long the answer may take; then the client gets 503.', '30 s', {
    atLeast: '1 s',
    atMost: '1 h',
  }),
  keepAliveTimeout: duration(
    'How long an idle connection is kept; longer than the idle time of a proxy in front.',
    '72 s',
    { atLeast: '1 s', atMost: '1 h' },
  ),
})
