// The folders of tasks, of each test file its own: made when one is used, and gone with the file.

import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { openTaskFolders } from '../../agent/drivers/task-folder.ts'

const stateDir = join(tmpdir(), `enid-test-${randomBytes(6).toString('hex')}`)
afterAll(() => rmSync(stateDir, { recursive: true, force: true }))

export const folders = openTaskFolders(stateDir)
