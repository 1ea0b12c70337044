// All rows. A row's id is its name for ever: the mutants and the documents refer to it.

import type { Row } from '../row.ts'
import { ACLS } from './acls.ts'
import { ADDRESSES } from './addresses.ts'
import { CALLS } from './calls.ts'
import { EMULATOR_BUGS } from './emulator-bugs.ts'
import { FLOWS } from './flows.ts'
import { FRAMES } from './frames.ts'
import { GATEWAYS } from './gateways.ts'
import { PEERS } from './peers.ts'
import { PORTS } from './ports.ts'
import { PROTOCOLS } from './protocols.ts'
import { ROUTES } from './routes.ts'
import { SERVICES } from './services.ts'
import { SIZES } from './sizes.ts'

/** Every row of the suite, in the order in which they are run. */
export const ROWS: readonly Row[] = [
  ...PROTOCOLS,
  ...PORTS,
  ...PEERS,
  ...FLOWS,
  ...FRAMES,
  ...ACLS,
  ...ADDRESSES,
  ...ROUTES,
  ...GATEWAYS,
  ...SIZES,
  ...SERVICES,
  ...CALLS,
  ...EMULATOR_BUGS,
]
