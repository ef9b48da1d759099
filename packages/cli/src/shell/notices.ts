/** Prints lines that nobody asked for, such as the death of a node. */
type Printer = (text: string) => void

/**
 * What happens beside a running shell and should be told at once. Whoever owns the screen decides
 * how: the prompt steps aside for a notice and comes back behind it.
 */
export class Notices {
  constructor(private print: Printer) {}

  tell(text: string): void {
    this.print(text)
  }

  /** @returns a function that gives the screen back. */
  takeOver(print: Printer): () => void {
    const before = this.print
    this.print = print
    return () => {
      this.print = before
    }
  }
}
