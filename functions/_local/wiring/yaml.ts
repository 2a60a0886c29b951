import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
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

  function at(path: PropertyKey[]): string {
    for (let depth = path.length; depth >= 0; depth--) {
      const node = document.getIn(path.slice(0, depth) as string[], true) as
        | { range?: [number, number, number] }
        | undefined;
      if (node?.range) return `${file}:${lines.linePos(node.range[0]).line}`;
    }
    return `${file}:1`;
  }

  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return { file, object: parsed.data, at };
  throw new WiringError(
    parsed.error.issues.map((issue) => {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
      const path = unknown === undefined ? issue.path : [...issue.path, unknown];
      const reason = unknown === undefined ? issue.message : 'not implemented by the embedded broker';
      return `${at(path)}: ${path.join('.')}: ${reason}`;
    }),
  );
}
