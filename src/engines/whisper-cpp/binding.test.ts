import { describe, expect, it } from 'vitest';
import { loadBinding, packageOf, withoutPaths } from './binding.ts';
import { isDigitalSilence, toPcm } from './pcm.ts';

describe('loadBinding', () => {
  it('names the package to install for a build that is not there', () => {
    expect(packageOf('cpu')).toBe(`@fugood/node-whisper-${process.platform}-${process.arch}`);
    expect(() => loadBinding('vulkan')).toThrow(
      `need the package ${packageOf('cpu')}-vulkan, which is not installed: npm install ${packageOf('cpu')}-vulkan@1.1`,
    );
  });
});

describe('withoutPaths', () => {
  it('leaves the names of files', () => {
    expect(withoutPaths("cannot open '/var/lib/steno/model.bin' (f16/f32)")).toBe(
      "cannot open 'model.bin' (f16/f32)",
    );
    expect(withoutPaths('C:\\data\\model.bin: not found')).toBe('model.bin: not found');
  });
});

describe('toPcm', () => {
  it('gives every 16-bit value back as it was, and silence up to a second', () => {
    const values = Int16Array.from({ length: 65_536 }, (_, index) => index - 32_768);
    const pcm = toPcm(Float32Array.from(values, (value) => value / 32_768));
    expect(Buffer.from(pcm).equals(Buffer.from(values.buffer))).toBe(true);
    const short = new Int16Array(toPcm(Float32Array.of(0.5)));
    expect(short).toHaveLength(16_000);
    expect([...short.subarray(0, 3)]).toEqual([16_384, 0, 0]);
  });

  it('cuts what is too loud', () => {
    expect([...new Int16Array(toPcm(Float32Array.of(1, -1.5))).subarray(0, 2)]).toEqual([32_767, -32_768]);
  });
});

describe('isDigitalSilence', () => {
  it('is nothing but zeros', () => {
    expect(isDigitalSilence(new Float32Array(10))).toBe(true);
    expect(isDigitalSilence(Float32Array.of(0, 1e-5))).toBe(false);
  });
});
