/**
 * `docs/rfc.md`: which RFCs the source cites, where, and how far we follow them. The columns "Follows" and "Remarks"
 * are written by hand and kept; rows, titles and places are derived. A new row has `?` until somebody has judged it,
 * and the test suite asks for that judgement.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './ensure.mjs'
import { table } from './table.mjs'

const PAGE = 'docs/rfc.md'
const FOLDERS = ['server', 'dns', 'warmup']

const TITLES = {
  1035: 'Domain Names: Implementation and Specification',
  1123: 'Requirements for Internet Hosts',
  1847: 'Security Multiparts for MIME',
  1870: 'SMTP Service Extension for Message Size Declaration',
  1918: 'Address Allocation for Private Internets',
  1951: 'DEFLATE Compressed Data Format',
  2034: 'SMTP Service Extension for Returning Enhanced Error Codes',
  2045: 'MIME Part One: Format of Internet Message Bodies',
  2046: 'MIME Part Two: Media Types',
  2047: 'MIME Part Three: Message Header Extensions for Non-ASCII Text',
  2181: 'Clarifications to the DNS Specification',
  2183: 'The Content-Disposition Header Field',
  2231: 'MIME Parameter Value and Encoded Word Extensions',
  2308: 'Negative Caching of DNS Queries',
  2369: 'Header Fields for Mail List Commands',
  2544: 'Benchmarking Methodology for Network Interconnect Devices',
  2606: 'Reserved Top Level DNS Names',
  2765: 'Stateless IP/ICMP Translation Algorithm (SIIT)',
  2782: 'A DNS RR for Specifying the Location of Services (SRV)',
  2920: 'SMTP Service Extension for Command Pipelining',
  3030: 'SMTP Service Extensions for Large and Binary MIME Messages',
  3056: 'Connection of IPv6 Domains via IPv4 Clouds',
  3207: 'SMTP Service Extension for Secure SMTP over TLS',
  3339: 'Date and Time on the Internet: Timestamps',
  3461: 'SMTP Service Extension for Delivery Status Notifications',
  3462: 'The Multipart/Report Content Type',
  3463: 'Enhanced Mail System Status Codes',
  3464: 'An Extensible Message Format for Delivery Status Notifications',
  3492: 'Punycode',
  3596: 'DNS Extensions to Support IP Version 6',
  3696: 'Application Techniques for Checking and Transformation of Names',
  3834: 'Automatic Responses to Electronic Mail',
  3848: 'ESMTP and LMTP Transmission Types Registration',
  3879: 'Deprecating Site Local Addresses',
  3927: 'Dynamic Configuration of IPv4 Link-Local Addresses',
  3986: 'Uniform Resource Identifier (URI): Generic Syntax',
  4034: 'Resource Records for the DNS Security Extensions',
  4035: 'Protocol Modifications for the DNS Security Extensions',
  4193: 'Unique Local IPv6 Unicast Addresses',
  4291: 'IP Version 6 Addressing Architecture',
  4380: 'Teredo: Tunneling IPv6 over UDP through NATs',
  4592: 'The Role of Wildcards in the Domain Name System',
  4616: 'The PLAIN SASL Mechanism',
  4648: 'The Base16, Base32, and Base64 Data Encodings',
  4954: 'SMTP Service Extension for Authentication',
  5321: 'Simple Mail Transfer Protocol',
  5322: 'Internet Message Format',
  5452: 'Measures for Making DNS More Resilient against Forged Answers',
  5737: 'IPv4 Address Blocks Reserved for Documentation',
  5782: 'DNS Blacklists and Whitelists',
  5869: 'HMAC-based Extract-and-Expand Key Derivation Function (HKDF)',
  5890: 'Internationalized Domain Names (IDNA): Definitions',
  5891: 'Internationalized Domain Names (IDNA): Protocol',
  5892: 'Unicode Code Points and IDNA',
  5965: 'An Extensible Format for Email Feedback Reports',
  6052: 'IPv6 Addressing of IPv4/IPv6 Translators',
  6125: 'Verification of Domain-Based Application Service Identity within TLS',
  6152: 'SMTP Service Extension for 8-bit MIME Transport',
  6238: 'TOTP: Time-Based One-Time Password Algorithm',
  6265: 'HTTP State Management Mechanism',
  6376: 'DomainKeys Identified Mail (DKIM) Signatures',
  6409: 'Message Submission for Mail',
  6522: 'The Multipart/Report Media Type',
  6530: 'Overview and Framework for Internationalized Email',
  6531: 'SMTP Extension for Internationalized Email',
  6532: 'Internationalized Email Headers',
  6533: 'Internationalized Delivery Status and Disposition Notifications',
  6591: 'Authentication Failure Reporting Using the Abuse Reporting Format',
  6598: 'IANA-Reserved IPv4 Prefix for Shared Address Space',
  6604: 'xNAME RCODE and Status Bits Clarification',
  6650: 'Creation and Use of Email Feedback Reports',
  6666: 'A Discard Prefix for IPv6',
  6698: 'DNS-Based Authentication of Named Entities (DANE): TLSA',
  6750: 'The OAuth 2.0 Authorization Framework: Bearer Token Usage',
  6761: 'Special-Use Domain Names',
  6797: 'HTTP Strict Transport Security (HSTS)',
  6840: 'Clarifications and Implementation Notes for DNSSEC',
  6854: 'Update to Internet Message Format to Allow Group Syntax in From and Sender',
  6890: 'Special-Purpose IP Address Registries',
  6891: 'Extension Mechanisms for DNS (EDNS(0))',
  7208: 'Sender Policy Framework (SPF)',
  7435: 'Opportunistic Security: Some Protection Most of the Time',
  7489: 'Domain-based Message Authentication, Reporting, and Conformance (DMARC)',
  7504: 'SMTP 521 and 556 Reply Codes',
  7505: 'A "Null MX" No Service Resource Record for Domains That Accept No Mail',
  7671: 'The DANE Protocol: Updates and Operational Guidance',
  7672: 'SMTP Security via Opportunistic DANE TLS',
  7766: 'DNS Transport over TCP',
  8020: 'NXDOMAIN: There Really Is Nothing Underneath',
  8058: 'Signaling One-Click Functionality for List Email Headers',
  8098: 'Message Disposition Notification',
  8215: 'Local-Use IPv4/IPv6 Translation Prefix',
  8259: 'The JavaScript Object Notation (JSON) Data Interchange Format',
  8301: 'Cryptographic Algorithm and Key Usage Update to DKIM',
  8314: 'Cleartext Considered Obsolete: TLS for Email Submission and Access',
  8460: 'SMTP TLS Reporting',
  8461: 'SMTP MTA Strict Transport Security (MTA-STS)',
  8463: 'A New Cryptographic Signature Method for DKIM (Ed25519)',
  8601: 'Message Header Field for Indicating Message Authentication Status',
  8616: 'Email Authentication for Internationalized Mail',
  8689: 'SMTP Require TLS Option',
  8996: 'Deprecating TLS 1.0 and TLS 1.1',
  9110: 'HTTP Semantics',
  9422: 'The LIMITS SMTP Service Extension',
  9457: 'Problem Details for HTTP APIs',
  9477: 'Complaint Feedback Loop Address Header',
  9989: 'DMARC',
}

/** `RFC 5321`, `RFC5321`, and the further ones in `RFC 2034 / 3463`. A line break of a comment may stand between. */
const CITATION =
  /\bRFC[\s*/-]{0,10}?(\d{3,5})((?:\s?(?:\/|and|,)\s?(?:RFC\s)?\d{4}(?![\d.]|\s?(?:octets|bytes|ms|s\b)))*)/g

export function citedNumbers(text) {
  return [...text.matchAll(CITATION)].flatMap(([, first, others]) => [
    Number(first),
    ...[...others.matchAll(/\d{4}/g)].map(([number]) => Number(number)),
  ])
}

/** RFC number → the folders that cite it, in order. */
export function citations() {
  const places = new Map()
  for (const folder of FOLDERS.filter((name) => existsSync(join(root, name)))) {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts')).sort()) {
      const path = `${folder}/${file.replaceAll('\\', '/')}`
      for (const number of citedNumbers(readFileSync(join(root, path), 'utf8'))) {
        const folders = places.get(number) ?? new Set()
        places.set(number, folders.add(path.slice(0, path.lastIndexOf('/'))))
      }
    }
  }
  return places
}

/** The rows of the page as it stands: number → { title, follows, remarks }. */
export function pageRows(page) {
  return new Map(
    [...page.matchAll(/^\| (?:RFC )?(\d+) +\|(.*)\|$/gm)].map(([, number, rest]) => {
      const [title, follows, remarks] = rest.split('|').map((cell) => cell.trim())
      return [Number(number), { title, follows, remarks }]
    }),
  )
}

const HEAD = ['RFC', 'Title', 'Follows', 'Remarks', 'Cited in']
const INTRODUCTION = `# RFCs

Every RFC that the source cites, and how far we follow it: \`full\` what it asks of a program in our place, \`partial\` the
part named in the remarks, \`no\` we knowingly do otherwise. "Follows" and "Remarks" are written by hand; the rest of this
page is generated by \`npm run generate\`.`

/** Path → text, for generate.mjs. */
export function rfcFiles() {
  const file = join(root, PAGE)
  const known = existsSync(file) ? pageRows(readFileSync(file, 'utf8')) : new Map()
  const rows = [...citations()]
    .sort(([a], [b]) => a - b)
    .map(([number, folders]) => [
      String(number),
      TITLES[number] ?? known.get(number)?.title ?? '?',
      known.get(number)?.follows ?? '?',
      known.get(number)?.remarks ?? '',
      [...folders].sort().join(', '),
    ])
  return { [PAGE]: `${INTRODUCTION}\n\n${table(HEAD, rows)}\n` }
}
