/**
 * How many clients a sink has in conversation, as a host counts them: from EHLO to QUIT. Its sockets close a moment
 * later, when the client may have opened the next one already.
 */
import type { SinkSession } from './sink-session.ts'

export interface OpenSessions {
  /** The most at one time. */
  readonly most: number
  /** For SinkOptions; answers nothing itself. */
  readonly replies: (command: string, session: SinkSession) => undefined
}

export function openSessions(): OpenSessions {
  const open = new Set<SinkSession>()
  let most = 0
  return {
    get most() {
      return most
    },
    replies(command, session) {
      if (command === 'QUIT') open.delete(session)
      if (!command.startsWith('EHLO') || open.has(session)) return undefined
      open.add(session)
      most = Math.max(most, open.size)
      session.socket.once('close', () => open.delete(session))
      return undefined
    },
  }
}
