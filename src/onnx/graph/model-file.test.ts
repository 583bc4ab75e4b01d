import { describe, expect, it } from 'vitest';
import { GraphBuilder } from './builder.ts';
import { bytesOf, type Graph, ModelFileError, readModel, writeModel } from './model-file.ts';

describe('writeModel', () => {
  it('writes what readModel reads: nodes, constants, attributes, branches', () => {
    const branch: Graph = {
      name: 'branch',
      nodes: [],
      initializers: new Map([['inner', { type: 'int8', dims: [2], bytes: Uint8Array.of(1, 255) }]]),
      inputs: [],
      outputs: [],
    };
    const graph = new GraphBuilder('sample');
    graph.input('x', 'float32', ['rows', 3]);
    graph.floats('weight', [1, -2.5, 3], [3, 1]);
    graph.fused('Sample', ['x', '', 'weight'], {
      attributes: {
        integer: -7,
        axes: [0, -1, 300],
        float: { float: 0.5 },
        text: 'PER_TENSOR',
        tensor: { type: 'int64', dims: [], bytes: bytesOf(BigInt64Array.of(2n ** 40n)) },
        branch: { graph: branch },
      },
      outputs: ['y'],
    });
    graph.output('y', 'float32', ['rows']);

    const read = readModel(graph.build());

    expect(read.opsets).toEqual(
      new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
    );
    expect(read.initializers.get('weight')).toEqual({
      type: 'float32',
      dims: [3, 1],
      bytes: bytesOf(Float32Array.of(1, -2.5, 3)),
    });
    const [node] = read.nodes;
    expect(node).toMatchObject({
      operator: 'Sample',
      domain: 'com.microsoft',
      inputs: ['x', '', 'weight'],
      outputs: ['y'],
    });
    expect(node?.attributes.get('integer')).toBe(-7n);
    expect(node?.attributes.get('axes')).toEqual([0, -1, 300]);
    expect(node?.attributes.get('float')).toEqual({ float: 0.5 });
    expect(node?.attributes.get('text')).toBe('PER_TENSOR');
    expect(node?.attributes.get('tensor')).toEqual({
      type: 'int64',
      dims: [],
      bytes: bytesOf(BigInt64Array.of(2n ** 40n)),
    });
    expect(node?.attributes.get('branch')).toEqual({ graph: branch });
    expect([read.inputs.map(({ name }) => name), read.outputs.map(({ name }) => name)]).toEqual([
      ['x'],
      ['y'],
    ]);
    expect(writeModel(read).length).toBeGreaterThan(0);
  });
});

describe('readModel', () => {
  it('reads constants written in the typed fields', () => {
    // ModelProto.graph > GraphProto.initializer > TensorProto: dims 2, data_type int64, int64_data 5 and -1, name "n"
    const negative = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    const tensor = [0x08, 2, 0x10, 7, 0x3a, 11, 5, ...negative, 0x42, 1, 0x6e];
    const file = [0x3a, tensor.length + 2, 0x2a, tensor.length, ...tensor];
    const { initializers } = readModel(Uint8Array.from(file));
    expect(initializers.get('n')).toEqual({
      type: 'int64',
      dims: [2],
      bytes: bytesOf(BigInt64Array.of(5n, -1n)),
    });
  });

  it('says that a damaged file is damaged', () => {
    const file = new GraphBuilder('sample').build();
    expect(() => readModel(file.subarray(0, file.length - 3))).toThrow(ModelFileError);
    expect(() => readModel(new TextEncoder().encode('<html>'))).toThrow(ModelFileError);
    expect(() => readModel(new Uint8Array(0))).toThrow(ModelFileError);
  });
});
