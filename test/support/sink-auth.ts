/** The sink's side of AUTH PLAIN and LOGIN, RFC 4954. */
export interface SinkLogin {
  readonly user: string
  readonly password: string
  /** As announced; default `PLAIN LOGIN`. */
  readonly mechanisms?: string
}

export class SinkAuth {
  readonly #wanted: SinkLogin | undefined
  readonly #said: string[]
  readonly #steps: number

  /** `line` is the AUTH command. */
  constructor(line: string, wanted: SinkLogin | undefined) {
    const [, mechanism = '', initial] = line.split(' ')
    this.#wanted = wanted
    this.#said = initial === undefined ? [] : [initial]
    this.#steps = mechanism.toUpperCase() === 'PLAIN' ? 1 : 2
  }

  /** The reply after `line` (undefined: to the command itself), and whether the exchange is over. */
  next(line?: string): { readonly reply: string; readonly over: boolean } {
    if (line !== undefined) this.#said.push(line)
    if (this.#said.length < this.#steps) return { reply: '334 VXNlcm5hbWU6', over: false }
    const words = this.#said.map((word) => Buffer.from(word, 'base64').toString('utf8'))
    const [user, password] = this.#steps === 1 ? (words[0] ?? '').split('\0').slice(1) : words
    const right =
      this.#wanted !== undefined && user === this.#wanted.user && password === this.#wanted.password
    return {
      reply: right ? '235 2.7.0 welcome' : '535 5.7.8 wrong name or password',
      over: true,
    }
  }
}
