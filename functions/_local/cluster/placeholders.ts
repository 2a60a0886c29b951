import { type Overlay, type Path, showPath } from '../manifests/model.ts';
import { type Finding, ok, problem } from './finding.ts';

/** What the manifests have where only an installation knows what belongs there. */
const PLACEHOLDER = /\bexample\.com\b|\b123456789012\b/;

export const isPlaceholder = (text: string): boolean => PLACEHOLDER.test(text);

/** `file:line: Kind/name: field: value` of every placeholder that an overlay still has, each place once. */
export function placeholdersIn(overlay: Overlay): string[] {
  const found = overlay.rendered.flatMap(({ object, at }) =>
    textsIn(object)
      .filter(([, text]) => isPlaceholder(text))
      .map(([path, text]) => {
        // Registries are set in one place, whatever names the image.
        if (path.at(-1) === 'image') return `${overlay.name}/kustomization.yaml: images: ${text}`;
        const line = text.split('\n').find(isPlaceholder) ?? '';
        return `${at(path)}: ${object.kind}/${object.metadata.name}: ${showPath(path)}: ${line.trim()}`;
      }),
  );
  return [...new Set(found)];
}

export function checkPlaceholders(overlay: Overlay): Finding {
  const found = placeholdersIn(overlay);
  if (found.length === 0) return ok('Settings', 'no placeholder is left');
  const shown = found.slice(0, 5).join('\n    ');
  return problem(
    'Settings',
    `${found.length} placeholders are left`,
    `Set what belongs there (docs/deploy.md, 3):\n    ${shown}${found.length > 5 ? '\n    …' : ''}`,
  );
}

function textsIn(value: unknown, path: Path = []): [Path, string][] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) =>
    textsIn(one, [...path, Array.isArray(value) ? Number(name) : name]),
  );
}
