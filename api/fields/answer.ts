// What DescribeTasks and its sisters say in one member of their answers. Every member of ECS's shapes
// has its line in answers.ts; docs/answers.md shows all of them, and a test fails where the SDK knows a
// member that they do not, or where an answer is not as its line says.

/** always: in every answer. sometimes: `when`. never: `because`; stands for all that is in it. */
export type Answer =
  | { readonly is: 'always'; readonly note?: string }
  | { readonly is: 'sometimes'; readonly when: string }
  | { readonly is: 'never'; readonly because: string }

/** The members of one structure. */
export type Answers = Readonly<Record<string, Answer>>

export const always: Answer = { is: 'always' }
export const as = (note: string): Answer => ({ is: 'always', note })
export const when = (text: string): Answer => ({ is: 'sometimes', when: text })
export const never = (because: string): Answer => ({ is: 'never', because })
