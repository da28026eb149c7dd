/**
 * All commands. To add one: write it in a file of this folder after the pattern of `config.ts`, add its row here,
 * and, if it needs a use case, a line in `services.ts`. The frame gives it `--help`, `--json`, settings as flags,
 * errors and exit codes.
 */
import type { Command } from './command.ts'
import { configDescribe } from './config.ts'

export const COMMANDS: readonly Command[] = [configDescribe]
