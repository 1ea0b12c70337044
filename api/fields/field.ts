// What enid does with one field of a task definition. Every field of ECS's schema has its line in
// task.ts or container.ts, by the structure it stands in; docs/task-definition.md shows all of them,
// and a test fails where the SDK knows a field that they do not.

/** taken: `as` says what it becomes. refused: `instead` says what works. idle: kept, and why it does nothing. */
export type Field =
  | { readonly is: 'taken'; readonly as: string }
  | { readonly is: 'refused'; readonly instead: string }
  | { readonly is: 'idle'; readonly because: string }

/** The members of one structure. A member that is refused or idle stands for all that is in it. */
export type Fields = Readonly<Record<string, Field>>

export const taken = (as: string): Field => ({ is: 'taken', as })
export const refused = (instead: string): Field => ({ is: 'refused', instead })
export const idle = (because: string): Field => ({ is: 'idle', because })
