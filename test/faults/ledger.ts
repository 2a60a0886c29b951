import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** One thing that the prober did to a document. */
export interface Act {
  tenant: string;
  document: string;
  kind: 'put' | 'delete';
  /** Place among all acts. */
  order: number;
  /** A word that stands in this content and nowhere else; '' for a deletion. */
  marker: string;
  /** The version that was acknowledged; undefined: nobody knows whether it happened. */
  version?: number;
  /** What it did was taken back by restoring an older state: it must not be found. */
  undone?: boolean;
}

const keyOf = ({ tenant, document }: Pick<Act, 'tenant' | 'document'>) => JSON.stringify([tenant, document]);

/** What the prober did and what the system acknowledged: on disk, outside of the system. */
export class Ledger {
  /** By `[tenant, document]` as JSON. */
  readonly acts = new Map<string, Act[]>();
  readonly #file: number;
  #acknowledged = 0;
  #begun = 0;
  #closed = false;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  get begun(): number {
    return this.#begun;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Written before anything is sent. */
  begin(given: Omit<Act, 'order'>): Act {
    const act: Act = { ...given, order: this.#begun++ };
    this.acts.set(keyOf(act), [...this.of(act.tenant, act.document), act]);
    this.#write({ begin: act });
    return act;
  }

  /** Everything that was done to a document, in the order in which it was begun. */
  of(tenant: string, document: string): readonly Act[] {
    return this.acts.get(keyOf({ tenant, document })) ?? [];
  }

  acknowledge(act: Act, version: number): void {
    act.version = version;
    this.#acknowledged++;
    this.#write({ acknowledged: act });
  }

  /** From here on, everything that was done is as if it had never been. */
  undoSince(acts: number): void {
    for (const act of [...this.acts.values()].flat()) if (act.order >= acts) act.undone = true;
    this.#write({ undone: acts });
  }

  close(): void {
    fsyncSync(this.#file);
    closeSync(this.#file);
    this.#closed = true;
  }

  /** After a breach others may still be acting: of that nobody takes notice. */
  #write(entry: object): void {
    if (this.#closed) return;
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}
