import type { Trial } from './context.ts';

export interface Load {
  documents: number;
  /** Shares of the documents that are updated and deleted afterwards, in between. */
  updates: number;
  deletes: number;
  lanes?: number;
  /** Prefix of the ids. */
  prefix?: string;
  /** Called after each act with how many there were. */
  onAct?: (acts: number) => void;
}

const FILLER = [
  'Boats were built of oak along the coast and sailed in summer.',
  'The council met twice a year and wrote down what it had agreed upon.',
  'Prices rose in spring, when stores ran low and roads were wet.',
  'Letters took a week from the harbour to the monastery in the hills.',
];

/** Puts, updates and deletes documents of all tenants, several at once, in an order that the seed gives. */
export async function applyLoad(
  { prober, tenants, random }: Pick<Trial, 'prober' | 'tenants' | 'random'>,
  { documents, updates, deletes, lanes = 12, prefix = 'd', onAct = () => {} }: Load,
): Promise<void> {
  let acts = 0;
  let next = 0;
  const lane = async () => {
    for (let n = next++; n < documents; n = next++) {
      const tenant = random.pick(tenants);
      const document = `${prefix}${n}`;
      const text = random
        .shuffle(FILLER)
        .slice(0, 1 + random.below(FILLER.length))
        .join(' ');
      const isUpdated = random.chance(updates);
      const isDeleted = random.chance(deletes);
      await prober.put(tenant, document, text);
      onAct(++acts);
      if (isUpdated) {
        await prober.put(tenant, document, text);
        onAct(++acts);
      }
      if (isDeleted) {
        await prober.remove(tenant, document);
        onAct(++acts);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
