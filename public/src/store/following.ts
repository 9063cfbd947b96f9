/** The agents' sessions that are followed: a subscription that was lost with its socket is asked for again. */

export class Following {
  private readonly unconfirmed = new Set<string>();

  constructor(private readonly subscribe: (id: string) => void) {}

  /** Follow these, and forget what was asked before. */
  begin(ids: string[]): void {
    this.unconfirmed.clear();
    for (const id of ids) this.add(id);
  }

  add(id: string): void {
    this.unconfirmed.add(id);
    this.subscribe(id);
  }

  confirmed(id: string): void {
    this.unconfirmed.delete(id);
  }

  again(): void {
    for (const id of this.unconfirmed) this.subscribe(id);
  }
}
