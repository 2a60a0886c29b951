/** Labels of one object. */
export type Labels = Readonly<Record<string, string>>;

interface Requirement {
  key: string;
  operator: string;
  values?: readonly string[];
}
export interface LabelSelector {
  matchLabels?: Labels;
  matchExpressions?: readonly Requirement[];
}

/** Kubernetes' label selectors: all labels and all expressions hold; an empty selector selects everything. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => holds(requirement, labels))
  );
}

function holds({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}

/** The text form that kustomize's targets use: `a=b,c in (d, e),f,!g`. */
export function parseSelector(text: string): LabelSelector {
  const matchExpressions: Requirement[] = [];
  for (const [part] of text.matchAll(/[^,(]+(\([^)]*\))?/g)) {
    const set = /^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$/.exec(part);
    const equal = /^\s*([^\s=!]+)\s*==?\s*(\S*)\s*$/.exec(part);
    const name = /^\s*(!?)\s*([^\s=!]+)\s*$/.exec(part);
    if (set?.[1] && set[3] !== undefined) {
      const values = set[3].split(',').map((value) => value.trim());
      matchExpressions.push({ key: set[1], operator: set[2] === 'in' ? 'In' : 'NotIn', values });
    } else if (equal?.[1]) {
      matchExpressions.push({ key: equal[1], operator: 'In', values: [equal[2] ?? ''] });
    } else if (name?.[2]) {
      matchExpressions.push({ key: name[2], operator: name[1] === '!' ? 'DoesNotExist' : 'Exists' });
    }
  }
  return { matchExpressions };
}
