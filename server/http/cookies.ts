/**
 * The two cookies: the session of a signed-in person, and the mark by which a browser is known again. `__Host-` keeps
 * other hosts of the domain and plain HTTP from setting them; Strict keeps other sites from using them. A name that is
 * there twice is no cookie at all: one of the two was planted, and nobody can tell which.
 */
import { fastifyCookie } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'

export const SESSION_COOKIE = '__Host-posthorn'
export const DEVICE_COOKIE = '__Host-posthorn-device'

/** base64url of 16 to 96 bytes. Anything else was not set by us. */
const TOKEN = /^[A-Za-z0-9_-]{22,128}$/
/** An id and its HMAC-SHA256, base64 without padding. */
const SIGNED_DEVICE = /^[A-Za-z0-9_-]{22,64}\.[A-Za-z0-9+/]{43}$/
/** Browsers keep none for longer (RFC 6265bis §5.5), s. */
const DEVICE_AGE_S = 400 * 86_400

const ATTRIBUTES = { path: '/', httpOnly: true, secure: true, sameSite: 'strict' } as const

/** The token in the session cookie, when there is exactly one of the form that we give out. */
export function sessionTokenOf(request: FastifyRequest): string | undefined {
  const token = cookieOf(request, SESSION_COOKIE)
  return token !== undefined && TOKEN.test(token) ? token : undefined
}

/** `lifetimeMs` is how long the session can last at most; the server ends it sooner when it is not used. */
export function setSessionCookie(reply: FastifyReply, token: string, lifetimeMs: number): void {
  setCookie(reply, SESSION_COOKIE, token, Math.floor(lifetimeMs / 1000))
}

/** The device stays: whoever signs out on it is known when they come back. */
export function clearSessionCookie(reply: FastifyReply): void {
  setCookie(reply, SESSION_COOKIE, '', 0)
}

/** The id of the browser, when the mark is one that we signed with `key`. */
export function deviceOf(request: FastifyRequest, key: Buffer): string | undefined {
  const mark = cookieOf(request, DEVICE_COOKIE)
  if (mark === undefined || !SIGNED_DEVICE.test(mark)) return undefined
  const { valid, value } = fastifyCookie.unsign(mark, key)
  return valid ? value : undefined
}

/** `id` is base64url of at least 16 random bytes. Set again at each sign-in, it does not run out in use. */
export function setDeviceCookie(reply: FastifyReply, id: string, key: Buffer): void {
  setCookie(reply, DEVICE_COOKIE, fastifyCookie.sign(id, key), DEVICE_AGE_S)
}

function setCookie(reply: FastifyReply, name: string, value: string, maxAge: number): void {
  // As it is: what we write needs no escaping, and what needs some is not read back.
  const encode = (text: string): string => text
  // fastify collects set-cookie; other headers it would replace.
  reply.header(
    'set-cookie',
    fastifyCookie.serialize(name, value, { ...ATTRIBUTES, maxAge, encode }),
  )
}

/** RFC 6265 §4.2.1. Not fastify-cookie's reader: of two cookies with one name it takes the first. */
function cookieOf(request: FastifyRequest, name: string): string | undefined {
  const { cookie } = request.headers
  if (cookie?.includes(name) !== true) return undefined
  const values = cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
  return values.length === 1 ? values[0]?.slice(name.length + 1) : undefined
}
