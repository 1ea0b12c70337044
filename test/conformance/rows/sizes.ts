// Rows about how large a packet may be: 9001 within the VPC, 1500 at an internet gateway, and what the
// sender of a larger one is told, by whose leave.

import type { Given, Row, Step } from '../row.ts'
import { DOC } from './docs.ts'

const area = 'sizes'
const OPEN: Given = {
  groups: { client: { in: ['-1 any'] }, server: { in: ['-1 any'] } },
  routes: { X: ['any igw'] },
  public: ['a'],
}
const sized = (words: Pick<Row, 'id' | 'why' | 'doc' | 'ip'>, given: Given, ...steps: Step[]) => ({
  area,
  given,
  steps,
  ...words,
})
const all = ['100 allow -1 any']

export const SIZES: readonly Row[] = [
  {
    id: 'size-within',
    area,
    given: OPEN,
    steps: [{ see: { 'a>c sized 9001': 'there', 'a>b sized 9001': 'there' } }],
    why: 'Within a VPC a packet may have 9,001 bytes.',
    doc: DOC.mtu,
  },
  sized(
    {
      id: 'size-at-the-gateway',
      why: 'An internet gateway takes 1,500 bytes; the sender of what is larger and may not be cut is told so.',
      doc: DOC.mtu,
    },
    OPEN,
    {
      // Few words in all of these rows: a kernel says no more than six at once to one address.
      see: { 'a>o sized 1500 as a!': 'there', 'a>o sized 1501': 'told' },
    },
  ),
  sized(
    {
      id: 'size-cut-at-the-gateway',
      ip: 4,
      why: 'What is larger and may be cut is cut there, and arrives.',
      doc: DOC.mtu,
    },
    OPEN,
    { see: { 'a>o cuttable 1500 as a!': 'there', 'a>o cuttable 3000 as a!': 'there' } },
  ),
  sized(
    {
      id: 'size-told-without-a-rule',
      why: 'No rule of a group is needed to be told: it is about what was let out.',
      doc: DOC.mtu,
    },
    { ...OPEN, groups: { client: { in: [], out: ['udp 9 any'] } } },
    { see: { 'a>o sized 3000': 'told', 'a>o sized 1500 as a!': 'there' } },
  ),
  sized(
    {
      id: 'size-told-by-the-acl-4',
      ip: 4,
      why: 'A network ACL must let in the word that a packet is too big: type 3, code 4.',
      doc: DOC.mtuAcl,
    },
    { ...OPEN, acls: { X: { in: ['100 allow udp 0-65535 any'], out: all } } },
    { see: { 'a>o sized 3000': 'none' } },
    {
      now: {
        ...OPEN,
        acls: { X: { in: ['100 allow icmp 3/4 any', '110 deny icmp * any'], out: all } },
      },
    },
    { see: { 'a>o sized 3000': 'told' } },
  ),
  sized(
    {
      id: 'size-told-by-the-acl-6',
      ip: 6,
      why: 'A network ACL must let in the word that a packet is too big: type 2, code 0.',
      doc: DOC.mtuAcl,
    },
    { ...OPEN, acls: { X: { in: ['100 allow udp 0-65535 any'], out: all } } },
    { see: { 'a>o sized 3000': 'none' } },
    {
      now: {
        ...OPEN,
        acls: { X: { in: ['100 allow icmpv6 2/0 any', '110 deny icmpv6 * any'], out: all } },
      },
    },
    { see: { 'a>o sized 3000': 'told' } },
  ),
]
