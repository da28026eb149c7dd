/**
 * The page behind one-time links: it reads the token from the fragment, which no server sees, asks what the link is
 * for, and does it. Everything it shows is set as text. Small on purpose: it has to work when nothing else does.
 */
import { htmlPage } from './html.ts'
import { STYLE } from './style.ts'

/** On top of the style of all pages. */
const FORM_STYLE = `
form { display: grid; gap: 1rem; margin-top: 1.5rem }
label { display: grid; gap: .3rem; font-weight: 600 }
input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 6px; padding: .55rem .7rem }
button { font: inherit; font-weight: 600; color: var(--paper); background: var(--brand); border: 0; border-radius: 6px; padding: .65rem 1rem; cursor: pointer }
button:disabled { opacity: .6; cursor: progress }
[role=alert] { color: var(--brand); font-weight: 600 }
[hidden] { display: none }
`
export const LINK_STYLE = STYLE + FORM_STYLE

/** Runs as it stands: no build, no library. */
export const LINK_SCRIPT = `
'use strict'
const token = new URLSearchParams(location.hash.slice(1)).get('token') || ''
history.replaceState(null, '', location.pathname)
const find = (id) => document.getElementById(id)
const show = (id, text) => { const node = find(id); node.textContent = text; node.hidden = text === '' }
const ask = async (path, body) => {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const data = await answer.json()
  if (!answer.ok) throw new Error(data.detail || 'Something went wrong.')
  return data
}
const PURPOSES = {
  setup: ['Set up your account', 'Choose a name and a password.', '/v1/setup', 'Set up', 'Your account is set up.'],
  reset: ['Set a new password', 'You will be signed out everywhere.', '/v1/password-resets/finish', 'Set password', 'Your password is set.'],
  'email-change': ['Confirm your new address', 'From now on you sign in with it.', '/v1/account/email/finish', 'Confirm', 'Your address is changed.'],
  release: ['Release your account', 'It was locked after an unusual sign-in. Release it if that was you.', '/v1/account/release', 'It was me', 'Your account is released.'],
  invitation: ['Accept the invitation', '', '/v1/invitations/accept', 'Accept', 'Welcome.'],
}
const begin = async () => {
  if (token === '') throw new Error('There is no link here. Open the whole address from the mail.')
  const facts = await ask('/v1/links/look', { token })
  const [title, text, path, action, done] = PURPOSES[facts.purpose]
  show('title', title)
  show('text', facts.purpose === 'invitation'
    ? facts.invitedBy + ' invites you to ' + facts.tenant + ', as ' + facts.role + '.'
    : text)
  show('who', facts.email)
  if (facts.purpose === 'invitation' && !facts.needsPassword) {
    show('text', 'You have an account already. Sign in with it and accept the invitation there.')
    return
  }
  const wantsName = facts.needsPassword && facts.purpose !== 'reset'
  find('name-field').hidden = !wantsName
  find('email-field').hidden = !facts.mayChangeEmail
  find('password-field').hidden = !facts.needsPassword
  find('name').required = wantsName
  find('email').required = facts.mayChangeEmail
  find('password').required = facts.needsPassword
  find('action').textContent = action
  const form = find('form')
  form.hidden = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    find('action').disabled = true
    show('problem', '')
    try {
      const answer = await ask(path, {
        token,
        ...(wantsName ? { name: find('name').value } : {}),
        ...(facts.mayChangeEmail ? { email: find('email').value } : {}),
        ...(facts.needsPassword ? { password: find('password').value } : {}),
      })
      form.hidden = true
      show('text', done)
      show('who', answer.email || '')
    } catch (error) {
      show('problem', error.message)
    }
    find('action').disabled = false
  })
}
begin().catch((error) => { show('title', 'This link does not work'); show('text', ''); show('problem', error.message) })
`

export const linkPage = (): string =>
  htmlPage({
    title: 'Posthorn',
    style: LINK_STYLE,
    body: `<main class="card">
<h1 id="title">One moment …</h1>
<p id="text"></p>
<p id="who" hidden></p>
<p id="problem" role="alert" hidden></p>
<form id="form" hidden>
<label id="name-field">Name <input id="name" autocomplete="name" maxlength="100"></label>
<label id="email-field">Your address <input id="email" type="email" autocomplete="username" maxlength="254"></label>
<label id="password-field">New password <input id="password" type="password" autocomplete="new-password" minlength="12" maxlength="256"></label>
<button id="action" type="submit"></button>
</form>
<noscript><p>This page needs JavaScript. Without it: <code>POST /v1/links/look</code> with the part behind <code>#token=</code>.</p></noscript>
</main>
<script>${LINK_SCRIPT}</script>`,
  })
