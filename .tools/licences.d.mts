/** Types of licences.mjs, for the test that uses it. */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockEntry>>
}
export interface LockEntry {
  readonly name?: string
  readonly version?: string
  readonly license?: unknown
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
  readonly link?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
}
export interface ProductionPackage {
  readonly name: string
  readonly version: string
  readonly licence: string | undefined
  readonly isDirect: boolean
  readonly isOptional: boolean
}
export function productionPackages(lock: LockFile): ProductionPackage[]
export function isAllowed(expression: string | undefined): boolean
export function refusals(
  found: readonly Pick<ProductionPackage, 'name' | 'version' | 'licence'>[],
): string[]
export function licencePage(found: readonly ProductionPackage[]): string
export function licenceFiles(): Record<string, string>
