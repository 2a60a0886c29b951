import type { Role } from '../../../functions/_shared/stores/access/port.ts';
import type { seededRandom } from '../../../functions/_shared/testing.ts';

export type Random = ReturnType<typeof seededRandom>;

/** Who asks. `token` undefined: nobody. */
export interface Asker {
  name: string;
  tenant: string;
  role: Role | 'none';
  principals: string[];
  collections?: string[];
  token?: string;
  /** What it has named itself without having read it, and may hear again from dead letters and the audit log. */
  named: Set<string>;
}

/** What is planted: in the text, title, metadata or id of one version of a document, in a collection's name, in a question. */
export type Kind = 'text' | 'title' | 'metadata' | 'id' | 'collection' | 'question';

export interface Canary {
  kind: Kind;
  tenant: string;
  /** May read it: any one of these. A question wants all of its asker's. */
  acl: string[];
  collection: string;
  /** Those that it is in. An id may be one in several tenants. */
  documents?: Document[];
}

/** A time in which these were the readers of a document's head: from when it was sent until its successor was acknowledged. */
interface Reign {
  acl: string[];
  collection: string;
  from: number;
  to: number;
}

export interface Document {
  id: string;
  tenant: string;
  reigns: Reign[];
  /** One writer at a time, so that it is known who came last. */
  isBusy: boolean;
  /** Everything planted in it. */
  tokens: string[];
}

const KINDS: Record<Kind, string> = {
  text: 't',
  title: 'h',
  metadata: 'm',
  id: 'i',
  collection: 'c',
  question: 'q',
};
const TOKEN = /cnry[thmicq][0-9a-z]{10}/g;

/** What is where, and who may see it: everything that was planted is found again by its name. */
export class World {
  readonly documents: Document[] = [];
  readonly #canaries = new Map<string, Canary>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  plant(canary: Canary): string {
    const letters = Array.from({ length: 10 }, () =>
      this.#random.pick([...'0123456789abcdefghijklmnopqrstuvwxyz']),
    );
    const token = `cnry${KINDS[canary.kind]}${letters.join('')}`;
    this.#canaries.set(token, canary);
    for (const document of canary.documents ?? []) document.tokens.push(token);
    return token;
  }

  /** Another tenant's document of the same id. */
  twin({ id, tokens }: Document, tenant: string): Document {
    const twin: Document = { id, tenant, reigns: [], isBusy: false, tokens: [] };
    for (const { token, canary } of this.find(id)) {
      canary.documents?.push(twin);
      if (tokens.includes(token)) twin.tokens.push(token);
    }
    this.documents.push(twin);
    return twin;
  }

  /** The canaries in a text. */
  find(text: string): { token: string; canary: Canary }[] {
    const tokens = new Set(text.match(TOKEN));
    return [...tokens].flatMap((token) => {
      const canary = this.#canaries.get(token);
      return canary ? [{ token, canary }] : [];
    });
  }

  /** Whether the asker may have seen it at some time between `from` and `to`, milliseconds of `performance.now()`. */
  maySee(asker: Asker, canary: Canary, from: number, to: number): boolean {
    if (asker.role === 'none') return false;
    const { kind, tenant, acl, collection } = canary;
    const isOwn = (document: Document) => document.tenant === asker.tenant;
    if (kind === 'collection') {
      const isIn = (reign: Reign) => reign.collection === collection && this.#reads(asker, reign);
      return this.documents.some((document) => isOwn(document) && document.reigns.some(isIn));
    }
    // What is there now has to be readable, too; and an id stays the same while versions come and go.
    const isReadable = (document: Document) =>
      document.reigns.some((reign) => reign.from <= to && reign.to >= from && this.#reads(asker, reign));
    const isInOne = (canary.documents ?? []).some((document) => isOwn(document) && isReadable(document));
    if (kind === 'id') return isInOne;
    if (tenant !== asker.tenant) return false;
    if (kind === 'question') return acl.every((principal) => asker.principals.includes(principal));
    return isInOne && this.#reads(asker, { acl, collection });
  }

  #reads(asker: Asker, { acl, collection }: Pick<Reign, 'acl' | 'collection'>): boolean {
    const inReach = asker.collections?.includes(collection) ?? true;
    return inReach && acl.some((principal) => asker.principals.includes(principal));
  }

  /** What a document is now, to this asker. */
  readsNow(asker: Asker, document: Document): boolean {
    const last = document.reigns.at(-1);
    return asker.tenant === document.tenant && last !== undefined && this.#reads(asker, last);
  }
}

const SUBJECTS = ['harbour', 'lighthouse', 'merchant', 'captain', 'shipyard', 'cargo', 'voyage', 'island'];
const DEEDS = [
  'was built near',
  'traded wool with',
  'sailed in winter to',
  'was repaired beside',
  'paid taxes to',
];

/** Sentences that are alike in every tenant, so that a search that saw too much would find too much. */
export function prose({ pick }: Random): string {
  return Array.from({ length: 3 }, () => `The ${pick(SUBJECTS)} ${pick(DEEDS)} the ${pick(SUBJECTS)}.`).join(
    ' ',
  );
}

export const question = ({ pick }: Random): string =>
  `Which ${pick(SUBJECTS)} ${pick(DEEDS)} the ${pick(SUBJECTS)}?`;
