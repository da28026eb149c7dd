/** The people of the installation. */
import type { Store } from '../store/open.ts'
import { makePersonReads } from './person.ts'
import type { PersonReads } from './person.ts'

export type People = PersonReads

export const makePeople = ({ store }: { readonly store: Store }): People => makePersonReads(store)
