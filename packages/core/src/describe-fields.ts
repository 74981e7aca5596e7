/** The parts of a JSON Schema that describe a config. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: boolean | JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  /** `true`: the value is secret. `url`: the credentials in it are. */
  readonly secret?: boolean | 'url';
  readonly [keyword: string]: unknown;
}

/** One field of a config, for a row of a table. */
export interface FieldDescription {
  /** From the root: `tls.ca`; `brokers[].host` in a list, `topics.*.name` in a map. */
  readonly path: string;
  /** As people read it: `string`, `"gzip" | "none"`, `integer[]`, `map of string`. */
  readonly type: string;
  /** Left out when there is none. */
  readonly default?: unknown;
  /** Whether the object that it belongs to is invalid without it, in every form that the object can have. */
  readonly required: boolean;
  readonly secret: boolean;
  /** Empty when the schema has none. */
  readonly description: string;
}

/** The fields of a config's JSON Schema in its order, an object before its fields. Forms of a union are merged by path. */
export function fieldsOf(root: JsonSchema): readonly FieldDescription[] {
  const fields = new Map<string, FieldDescription>();
  const resolve = resolver(root);

  const visit = (node: JsonSchema, path: string, above: ReadonlySet<JsonSchema>): void => {
    const forms = formsOf(node, resolve).filter((form) => !above.has(form));
    const inside = new Set([...above, ...forms]);
    const objects = forms.filter((form) => form.properties !== undefined);
    for (const form of forms) {
      for (const [name, child] of Object.entries(form.properties ?? {})) {
        const childPath = path === '' ? name : `${path}.${name}`;
        const required = objects.every((object) => object.required?.includes(name));
        fields.set(childPath, merged(fields.get(childPath), fieldOf(childPath, child, required, resolve)));
        visit(child, childPath, inside);
      }
      if (typeof form.items === 'object') visit(form.items, `${path}[]`, inside);
      if (typeof form.additionalProperties === 'object')
        visit(form.additionalProperties, path === '' ? '*' : `${path}.*`, inside);
    }
  };

  visit(root, '', new Set());
  return [...fields.values()];
}

type Resolve = (node: JsonSchema) => JsonSchema;

function resolver(root: JsonSchema): Resolve {
  return (node) => {
    if (node.$ref === undefined) return node;
    return node.$ref === '#' ? root : (root.$defs?.[node.$ref.replace('#/$defs/', '')] ?? {});
  };
}

/** All forms that a value can have: the schema itself, or the branches of its unions. */
function formsOf(node: JsonSchema, resolve: Resolve): readonly JsonSchema[] {
  const resolved = resolve(node);
  const branches = resolved.anyOf ?? resolved.oneOf ?? resolved.allOf;
  return branches === undefined ? [resolved] : branches.flatMap((branch) => formsOf(branch, resolve));
}

function fieldOf(path: string, node: JsonSchema, required: boolean, resolve: Resolve): FieldDescription {
  const resolved = { ...resolve(node), ...node };
  return {
    path,
    type: typeText(node, resolve),
    ...(resolved.default === undefined ? {} : { default: resolved.default }),
    required,
    secret: isSecret(node, resolve),
    description: resolved.description ?? '',
  };
}

function merged(first: FieldDescription | undefined, second: FieldDescription): FieldDescription {
  if (first === undefined) return second;
  return {
    ...second,
    ...first,
    type: [...new Set([...first.type.split(' | '), ...second.type.split(' | ')])].join(' | '),
    secret: first.secret || second.secret,
    description: first.description || second.description,
  };
}

/** Lists and maps of secrets count as secret: their elements have no row of their own. */
function isSecret(node: JsonSchema, resolve: Resolve): boolean {
  if (node.secret) return true;
  return formsOf(node, resolve).some((form) =>
    [form, form.items, form.additionalProperties].some(
      (part) => typeof part === 'object' && Boolean(resolve(part).secret),
    ),
  );
}

function typeText(node: JsonSchema, resolve: Resolve): string {
  return [...new Set(formsOf(node, resolve).map((form) => formText(form, resolve)))].join(' | ');
}

function formText(form: JsonSchema, resolve: Resolve): string {
  if (form.const !== undefined) return JSON.stringify(form.const);
  if (form.enum !== undefined) return form.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (form.type === 'array') return listText(form, resolve);
  if (form.type === 'object' && form.properties === undefined) {
    const { additionalProperties } = form;
    return typeof additionalProperties === 'object' ? `map of ${elementText(additionalProperties, resolve)}` : 'object';
  }
  return form.type === undefined ? 'any' : [form.type].flat().join(' | ');
}

function listText({ items, prefixItems }: JsonSchema, resolve: Resolve): string {
  if (prefixItems !== undefined) return `[${prefixItems.map((item) => typeText(item, resolve)).join(', ')}]`;
  const item = typeof items === 'object' ? elementText(items, resolve) : 'any';
  return item.includes(' ') ? `(${item})[]` : `${item}[]`;
}

/** A reference is where a type holds itself: it is not followed further. */
function elementText(element: JsonSchema, resolve: Resolve): string {
  if (element.$ref === undefined) return typeText(element, resolve);
  return [resolve(element).type ?? 'any'].flat().join(' | ');
}
