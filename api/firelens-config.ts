// The file of a log router, in the words of fluentd and of fluent-bit. Sections, their order and
// their names are those of the ECS agent: its users have written their own files around them.

/** A container whose logs are routed, with the options of its log driver. */
export type Routed = { readonly name: string; readonly options: Readonly<Record<string, string>> }

export type RouterConfig = {
  readonly routed: readonly Routed[]
  /** What is added to every record. */
  readonly metadata: Readonly<Record<string, string>>
  /** A file of the router's own image that is read after the filters. */
  readonly include?: string
}

/** Options that are no option of an output plugin. */
export const NOT_OF_OUTPUT = ['include-pattern', 'exclude-pattern', 'log-driver-buffer-limit']

const SOCKET = '/var/run/fluent.sock'
const TCP = { host: '127.0.0.1', port: '24224' }
/** Where a health check of fluent-bit's container may say that it lives. */
const HEALTH = { tag: 'firelens-healthcheck', host: '127.0.0.1', port: '8877' }

type Lines = readonly (readonly [key: string, value: string])[]

/** fluent-bit's classic form. */
export function fluentBitConfig({ routed, metadata, include }: RouterConfig): string {
  const section = (head: string, lines: Lines): string =>
    `[${head}]\n${lines.map(([key, value]) => `    ${key} ${value}\n`).join('')}`
  const match = (name: string) => `${name}-firelens*`
  const records = Object.entries(metadata)
  return [
    section('INPUT', [
      ['Name', 'forward'],
      ['unix_path', SOCKET],
    ]),
    section('INPUT', [
      ['Name', 'forward'],
      ['Listen', TCP.host],
      ['Port', TCP.port],
    ]),
    section('INPUT', [
      ['Name', 'tcp'],
      ['Tag', HEALTH.tag],
      ['Listen', HEALTH.host],
      ['Port', HEALTH.port],
    ]),
    ...routed.flatMap(({ name, options }) =>
      patternsOf(options).map(({ kind, pattern }) =>
        section('FILTER', [
          ['Name', 'grep'],
          ['Match', match(name)],
          [kind === 'include' ? 'Regex' : 'Exclude', `log ${pattern}`],
        ]),
      ),
    ),
    ...(records.length === 0
      ? []
      : [
          section('FILTER', [
            ['Name', 'record_modifier'],
            ['Match', '*'],
            ...records.map(([key, value]) => ['Record', `${key} ${value}`] as const),
          ]),
        ]),
    ...(include === undefined ? [] : [`@INCLUDE ${include}\n`]),
    section('OUTPUT', [
      ['Name', 'null'],
      ['Match', HEALTH.tag],
    ]),
    ...routed.flatMap(({ name, options: { Name: plugin, ...options } }) =>
      plugin === undefined
        ? []
        : [section('OUTPUT', [['Name', plugin], ['Match', match(name)], ...outputOf(options)])],
    ),
  ].join('\n')
}

/** fluentd's own form. */
export function fluentdConfig({ routed, metadata, include }: RouterConfig): string {
  const block = (head: string, lines: Lines, inner = ''): string => {
    const text = lines.map(([key, value]) => `    ${key} ${value}\n`).join('')
    return `<${head}>\n${text}${inner}</${head.split(' ')[0]}>\n`
  }
  const nested = (head: string, lines: Lines): string =>
    block(head, lines).replace(/^(?=.)/gm, '    ')
  const match = (name: string) => `${name}-firelens**`
  const records = Object.entries(metadata)
  return [
    block('source', [
      ['@type', 'unix'],
      ['path', SOCKET],
    ]),
    block('source', [
      ['@type', 'forward'],
      ['bind', TCP.host],
      ['port', TCP.port],
    ]),
    ...routed.flatMap(({ name, options }) =>
      patternsOf(options).map(({ kind, pattern }) => {
        const rule = nested(kind === 'include' ? 'regexp' : 'exclude', [
          ['key', 'log'],
          ['pattern', pattern],
        ])
        return block(`filter ${match(name)}`, [['@type', 'grep']], rule)
      }),
    ),
    ...(records.length === 0
      ? []
      : [block('filter **', [['@type', 'record_transformer']], nested('record', records))]),
    ...(include === undefined ? [] : [`@include ${include}\n`]),
    ...routed.flatMap(({ name, options: { '@type': plugin, ...options } }) =>
      plugin === undefined
        ? []
        : [block(`match ${match(name)}`, [['@type', plugin], ...outputOf(options)])],
    ),
  ].join('\n')
}

function patternsOf(options: Routed['options']) {
  return (['include', 'exclude'] as const).flatMap((kind) => {
    const pattern = options[`${kind}-pattern`]
    return pattern === undefined ? [] : [{ kind, pattern }]
  })
}

const outputOf = (options: Routed['options']): Lines =>
  Object.entries(options).filter(([key]) => !NOT_OF_OUTPUT.includes(key))
