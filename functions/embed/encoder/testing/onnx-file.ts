/** Element types (onnx.proto3, `TensorProto.DataType`). */
export const TYPES = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10 } as const;
type ElementType = keyof typeof TYPES;

type Field = [tag: number, value: number | string | Uint8Array | Field[]];
type Dim = number | string;

/** One operator, one constant, one input, one output: as much of an ONNX graph as the tests need. */
export interface OneNode {
  operator: string;
  /** Names of its operands: the constant's and the input's, in the operator's order. */
  operands: [string, string];
  constant: { name: string; type: ElementType; dims: number[]; values: Uint8Array };
  input: { name: string; type: ElementType; dims: Dim[] };
  output: { name: string; type: ElementType; dims: Dim[] };
}

/** The model file of a graph with one node (opset 13). */
export function onnxFile({ operator, operands, constant, input, output }: OneNode): Buffer {
  const node: Field[] = [...operands.map((name): Field => [1, name]), [2, output.name], [4, operator]];
  const initializer: Field[] = [
    ...constant.dims.map((dim): Field => [1, dim]),
    [2, TYPES[constant.type]],
    [8, constant.name],
    [9, constant.values],
  ];
  const graph: Field[] = [
    [1, node],
    [2, 'graph'],
    [5, initializer],
    [11, valueInfo(input)],
    [12, valueInfo(output)],
  ];
  const opset: Field[] = [
    [1, ''],
    [2, 13],
  ];
  return encode([
    [1, 8],
    [7, graph],
    [8, opset],
  ]);
}

function valueInfo({ name, type, dims }: { name: string; type: ElementType; dims: Dim[] }): Field[] {
  const shape = dims.map((dim): Field => [1, [typeof dim === 'number' ? [1, dim] : [2, dim]]]);
  const tensor: Field[] = [
    [1, TYPES[type]],
    [2, shape],
  ];
  return [
    [1, name],
    [2, [[1, tensor]]],
  ];
}

/** Protocol Buffers wire format: varints, and length-delimited for everything else. */
function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([tag, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(tag << 3), ...varint(value)]);
      const bytes = Array.isArray(value) ? encode(value) : Buffer.from(value as Uint8Array);
      return Buffer.concat([Buffer.from([...varint((tag << 3) | 2), ...varint(bytes.length)]), bytes]);
    }),
  );
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}
