import { readFileSync } from 'node:fs';
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';

/** Everything that is wrong with a set of manifests, one `file:line: …` each. */
export class WiringError extends Error {
  override readonly name = 'WiringError';
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The wiring is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** One object of a manifest file, with a way to say where in the file something stands. */
export interface Manifest<T> {
  file: string;
  object: T;
  at(path: PropertyKey[]): string;
}

/**
 * Reads one Kubernetes object from a YAML file and validates it. Throws {@link WiringError} naming file, line and field
 * for syntax errors, several documents in a file, and everything the schema does not know.
 */
export function readManifest<T>(file: string, schema: z.ZodType<T>): Manifest<T> {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, uniqueKeys: true });
  const syntax = document.errors.map(
    (error) => `${file}:${lines.linePos(error.pos[0]).line}: ${error.code}: ${error.message.split('\n')[0]}`,
  );
  if (syntax.length > 0) throw new WiringError(syntax);

  /** The line of the key or item at the path, or of the nearest one above it that is there. */
  function at(path: PropertyKey[]): string {
    for (let depth = path.length; depth > 0; depth--) {
      const parent = document.getIn(path.slice(0, depth - 1), true);
      const name = path[depth - 1];
      const pair = isMap(parent) && parent.items.find(({ key }) => isScalar(key) && key.value === name);
      const node = pair ? pair.key : isSeq(parent) ? parent.items[name as number] : undefined;
      if (isNode(node) && node.range) return `${file}:${lines.linePos(node.range[0]).line}`;
    }
    return `${file}:1`;
  }

  const parsed = schema.safeParse(toValue(document, file));
  if (parsed.success) return { file, object: parsed.data, at };
  throw new WiringError(
    parsed.error.issues.map((issue) => {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
      const path = unknown === undefined ? issue.path : [...issue.path, unknown];
      const said = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
      const reason = unknown === undefined ? said : 'not implemented by the embedded broker';
      return `${at(path)}: ${path.join('.')}: ${reason}`;
    }),
  );
}

/** Throws for aliases that would multiply without end. */
function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS();
  } catch (thrown) {
    throw new WiringError([`${file}:1: ${(thrown as Error).message}`]);
  }
}
