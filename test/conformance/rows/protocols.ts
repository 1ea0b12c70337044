import type { Row } from '../row.ts'
export const PROTOCOLS: readonly Row[] = [
  {
    id: 'tcp',
    area: 'protocols',
    given: { groups: { server: { in: ['tcp 80 a'] } } },
    steps: [
      {
        see: {
          'a>b tcp 80': 'both',
          'a>c tcp 80': 'both',
          'a>b tcp 81': 'none',
          'e>b tcp 80': 'none',
          'a>b udp 80': 'none',
          'a>c ping': 'none',
        },
      },
    ],
    why: '',
    doc: '',
  },
]
