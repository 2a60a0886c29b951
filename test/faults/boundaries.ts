/** Where the victim may be killed: after … has happened, and before anything that follows. */
export const BOUNDARIES = [
  /** the request was read and its original stored; nothing is committed. */
  'receive',
  /** version and outbox row are committed. */
  'commit',
  /** the answer was made, and not yet sent. */
  'answer',
  /** the broker took an event from the outbox, which does not know it yet. */
  'publish',
  /** chunks were embedded. */
  'embed',
  /** points were written. */
  'vector',
  /** the ledger counts the points. */
  'record',
  /** points of older versions are gone; the version is not called indexed yet. */
  'clean',
] as const;
export type Boundary = (typeof BOUNDARIES)[number];

/** What goes wrong inside the victim; from the variable FAULTS, as JSON. */
export interface Faults {
  /** Kill at the `killAfter`-th time that this boundary is reached. */
  killAt?: Boundary;
  killAfter?: number;
  /** Share of events and of dead letters that vanish although the broker took them. */
  dropEvents?: number;
  dropDeadLetters?: number;
  /** Deliver each event that often, at once. */
  repeat?: number;
  /** Hold each event for up to so many milliseconds, so that they overtake each other. */
  jitterMs?: number;
  /** Deliveries to this stage take so many milliseconds longer. */
  slow?: { stage: string; ms: number };
  /** Events that each queue of the broker holds. */
  queue?: number;
  /** Texts that hold this word cannot be embedded, until the file named by `fixed` exists. */
  poison?: string;
  fixed?: string;
  seed?: number;
}
