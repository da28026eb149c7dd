/**
 * Tokens that are a proof by themselves: one-time links in mail, session cookies. 256 random bits; the database keeps
 * a keyed hash, and a token is found by its hash, so that neither a stolen database nor a stopwatch gives one away.
 */
import type { Random } from '../../core/ports.ts'
import { hashSecret } from './secret.ts'

const TOKEN_BYTES = 32
const FORM = /^[A-Za-z0-9_-]{43}$/

/** 43 letters of base64url. */
export const newToken = (random: Random): string => random.bytes(TOKEN_BYTES).toString('base64url')

/** Whether the text can be a token at all; false saves the look-up. */
export const isToken = (text: string): boolean => FORM.test(text)

/** `key` is derived for the one purpose: a token of another purpose has another hash. */
export const hashToken = (token: string, key: Buffer): string => hashSecret(token, key)
