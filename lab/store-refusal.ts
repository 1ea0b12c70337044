// When a lab's memory is refused, and what to do then. Nothing of the file is changed before.

/** The file is not a lab's, damaged, of another format, or held by a lab that `lives`. */
export class StoreRefused extends Error {
  override name = 'StoreRefused'
  readonly lives: boolean

  constructor(message: string, lives = false) {
    super(message)
    this.lives = lives
  }
}

/** Reads the file; whatever is wrong with it becomes a refusal that says what to do. */
export function reading<T>(name: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string }
    if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
      throw new StoreRefused(
        `a lab named '${name}' is running already: it holds ${path}; stop it with ` +
          '`enid lab down`, or choose another name',
        true,
      )
    }
    throw new StoreRefused(
      `what the lab '${name}' was cannot be read from ${path}: ${message}. Nothing was changed. ` +
        `Start it with the enid that wrote it, or begin anew with \`enid lab --fresh --name ${name}\`, ` +
        'which takes away what still runs of it',
    )
  }
}
