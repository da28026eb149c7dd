/** Types of rfc.mjs, for the test that uses it. */
export function citedNumbers(text: string): number[]
export function citations(): Map<number, Set<string>>
export function pageRows(
  page: string,
): Map<number, { title: string; follows: string; remarks: string }>
export function rfcFiles(): Record<string, string>
