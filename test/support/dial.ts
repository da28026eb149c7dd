/** A dialer for tests that talk over loopback: the contract of core/ports, nothing more. */
import { connect } from 'node:net'
import type { Dialer } from '../../server/core/ports.ts'

export const dial: Dialer = ({ host, port, localAddress, timeoutMs }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) })
    const fail = (error: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(() => {
      fail(Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      resolve(socket)
    })
  })
