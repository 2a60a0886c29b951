import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { idOf, type Overlay, type Path, type Problem, type Rendered } from './model.ts';
import { operators } from './schemas/operators.ts';

type Schema = Record<string, unknown>;
interface SchemaFile {
  kinds: Record<string, Schema>;
  definitions?: Record<string, Schema>;
}
const read = (name: string): SchemaFile =>
  JSON.parse(readFileSync(new URL(`./schemas/${name}.json`, import.meta.url), 'utf8'));

/** Kubernetes' names: DNS subdomains. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$/;

/** Validators of every kind that the manifests use, each compiled when it is first needed. */
export function createSchemas(): (overlay: Overlay) => Problem[] {
  const kubernetes = read('kubernetes');
  const kinds: Record<string, unknown> = { ...kubernetes.kinds, ...read('custom').kinds, ...operators };
  const definitions = mapValues(kubernetes.definitions ?? {}, closed);
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, allowUnionTypes: true });
  const compiled = new Map<string, ValidateFunction>();

  function validatorOf(id: string): ValidateFunction | undefined {
    const schema = kinds[id];
    if (schema === undefined) return undefined;
    const known = compiled.get(id) ?? ajv.compile({ ...closed(schema as Schema), definitions });
    compiled.set(id, known);
    return known;
  }

  function check(rendered: Rendered): Problem[] {
    const { object } = rendered;
    const validate = validatorOf(idOf(object));
    if (!validate) return [{ rendered, path: ['kind'], message: `there is no schema for ${idOf(object)}` }];
    validate(object);
    return [...(validate.errors ?? []).filter(isCause).map(toProblem(rendered)), ...checkNames(rendered)];
  }
  return ({ rendered }) => rendered.flatMap(check);
}

/** The schema without room for fields that it does not know. */
function closed(schema: Schema): Schema {
  const out: Schema = { ...schema };
  if (schema.properties) out.properties = mapValues(schema.properties as Record<string, Schema>, closed);
  if (schema.items) out.items = closed(schema.items as Schema);
  if (typeof schema.additionalProperties === 'object') {
    out.additionalProperties = closed(schema.additionalProperties as Schema);
  }
  const open = 'additionalProperties' in schema || schema['x-kubernetes-preserve-unknown-fields'];
  if (schema.properties && !open) out.additionalProperties = false;
  if (schema['x-kubernetes-int-or-string']) out.type = ['integer', 'string'];
  return out;
}
const mapValues = <A, B>(object: Record<string, A>, map: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));

/** `anyOf` and its kind only sum up what their parts have said. */
const isCause = ({ keyword }: ErrorObject) => !['if', 'allOf'].includes(keyword);

function toProblem(rendered: Rendered) {
  return ({ instancePath, keyword, params, message }: ErrorObject): Problem => {
    const path: Path = instancePath
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (keyword === 'additionalProperties') {
      return { rendered, path: [...path, params.additionalProperty], message: 'there is no such field' };
    }
    if (keyword === 'required')
      return { rendered, path: [...path, params.missingProperty], message: 'is missing' };
    if (keyword === 'enum')
      return { rendered, path, message: `must be one of ${params.allowedValues.join(', ')}` };
    return { rendered, path, message: message ?? keyword };
  };
}

const CLUSTER_SCOPED = new Set(['Namespace', 'ClusterIssuer', 'ClusterDomainClaim']);

function checkNames(rendered: Rendered): Problem[] {
  const { kind, metadata } = rendered.object;
  const problems: Problem[] = [];
  const isOfCluster = CLUSTER_SCOPED.has(kind);
  if ((metadata?.namespace === undefined) !== isOfCluster) {
    const message = isOfCluster ? `a ${kind} is in no namespace` : 'is missing';
    problems.push({ rendered, path: ['metadata', 'namespace'], message });
  }
  if (typeof metadata?.name !== 'string' || !NAME.test(metadata.name) || metadata.name.length > 253) {
    problems.push({ rendered, path: ['metadata', 'name'], message: 'not a Kubernetes name' });
  }
  for (const [key, value] of Object.entries(metadata?.labels ?? {})) {
    if (!LABEL_VALUE.test(String(value))) {
      problems.push({
        rendered,
        path: ['metadata', 'labels', key],
        message: `${JSON.stringify(value)} is no label value`,
      });
    }
  }
  return problems;
}
