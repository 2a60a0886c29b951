import { InferenceSession, Tensor } from 'onnxruntime-node';
import { onnxFile } from './onnx-file.ts';

/**
 * Whether ONNX Runtime's int8 kernel on this processor adds pairs of products up in 16 bits, which saturate: x64 before
 * VNNI does (`vpmaddubsw`). Elsewhere an int8 product is exact.
 */
export async function int8Saturates(): Promise<boolean> {
  const rows = 64;
  const columns = 16;
  const session = await InferenceSession.create(
    onnxFile({
      operator: 'MatMulInteger',
      operands: ['a', 'b'],
      constant: {
        name: 'b',
        type: 'int8',
        dims: [rows, columns],
        values: new Uint8Array(rows * columns).fill(127),
      },
      input: { name: 'a', type: 'uint8', dims: ['batch', rows] },
      output: { name: 'y', type: 'int32', dims: ['batch', columns] },
    }),
    { intraOpNumThreads: 1 },
  );
  const { y } = await session.run({ a: new Tensor('uint8', new Uint8Array(rows).fill(255), [1, rows]) });
  await session.release();
  return (y as Tensor).data[0] !== 255 * 127 * rows;
}
