/** Sender domains. */
import Type from 'typebox'
import { flag, input, listOf, maybe, oneOf, strict, text, time } from './parts.ts'

const DnsRecord = Type.Object(
  {
    name: text('Where to publish it.', 'ph202601r._domainkey.shop.example'),
    type: oneOf(['TXT'], 'The type of the record.', 'TXT'),
    value: text('What to publish.', 'v=DKIM1; k=rsa; p=MIIBIjANBg…'),
  },
  { title: 'DnsRecord', description: 'A record to publish in DNS.' },
)
export const Domain = Type.Object(
  {
    id: text('Id of the domain.', 'dom_01kq3v8r4t2'),
    name: text('The domain.', 'shop.example'),
    verified: flag('Mail from it is sent; without this it goes to the sandbox.', true),
    createdAt: time('When it was added.'),
    records: Type.Array(DnsRecord, { description: 'What to publish.' }),
  },
  { title: 'Domain', description: 'A domain to send from.' },
)
export const DomainList = listOf(Domain, 'DomainList')
export const DomainInput = Type.Object(
  { name: input('The domain.', 'shop.example', { minLength: 1, maxLength: 253 }) },
  { ...strict, title: 'DomainInput', description: 'A domain to add.' },
)
export const DomainChange = Type.Object(
  {
    verified: maybe(
      flag(
        'Whether mail from it may leave. Vouching for a domain is for platform operators.',
        true,
      ),
    ),
  },
  { ...strict, title: 'DomainChange', description: 'What to change.' },
)
