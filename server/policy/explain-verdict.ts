/**
 * A verdict as a sentence for people: what happened, by which rule, and what comes next. Must never contain text of
 * the remote; that is shown beside it, escaped.
 */
import type { Category, Scope, Verdict, VerdictAction } from '../core/outcome.ts'

const WHAT: Readonly<Record<Category, string>> = {
  delivered: 'The remote server accepted the mail',
  'unknown-user': 'The mailbox does not exist',
  'inactive-mailbox': 'The mailbox is disabled',
  'bad-domain': 'The domain does not exist or takes no mail',
  'mailbox-full': 'The mailbox is full',
  'too-big': 'The message is larger than the remote server allows',
  'source-refused': 'The remote server blocks us or trusts us too little',
  'spam-content': 'The remote server takes the message for spam',
  virus: 'The remote server takes the message or an attachment for dangerous',
  authentication: 'The proof of origin (SPF, DKIM, DMARC or reverse DNS) was not accepted',
  policy: 'A rule of the remote server forbids this mail',
  rate: 'The remote server wants the mail more slowly',
  greylisted: 'The remote server asks to come back later (greylisting)',
  'relay-denied': 'The remote server does not take mail for this domain from us',
  protocol: 'The two servers did not understand each other',
  network: 'The remote server could not be reached, or the connection broke',
  tls: 'A secure connection was not possible',
  'remote-system': 'The remote server has a problem of its own',
  routing: 'The mail cannot be routed to this domain',
  expired: 'The mail was not delivered in its time',
  'invalid-sender': 'The sender address was refused',
  unknown: 'The remote server refused without a reason that we know',
}

const WHOM: Readonly<Record<Scope, string>> = {
  recipient: '',
  message: '',
  destination: '',
  source: ', which concerns the sending address',
  tenant: ', which concerns the sending domain',
  us: ', which concerns our set-up',
}

const NEXT: Readonly<Record<VerdictAction, string>> = {
  complete: 'the delivery is done',
  retry: 'it will be tried again later',
  fail: 'the delivery ends',
  'next-host': 'another host is tried, and if there is none it will be tried again later',
}

/** `The mailbox does not exist (rule google-unknown-user); the delivery ends.` */
export const explainVerdict = (verdict: Verdict): string =>
  `${WHAT[verdict.category]}${WHOM[verdict.scope]} (rule ${verdict.rule}); ${NEXT[verdict.action]}.`
