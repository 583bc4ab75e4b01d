import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeToSamples } from '../../bench/accuracy/decode-samples.ts';
import { createStockRecognizer } from '../../bench/accuracy/stock-system.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { DecodedSequence } from '../../src/engines/moonshine/decoder.ts';
import { MoonshineModel } from '../../src/engines/moonshine/model.ts';
import { PublishedModel } from '../../src/engines/moonshine/published-model.ts';
import { decodeTokens } from '../../src/engines/moonshine/tokenizer.ts';
import { writeModel } from '../../src/onnx/graph/model-file.ts';
import { fixturePath } from '../support/audio-fixtures.ts';
import { chunkOf, transcribeAll } from '../support/drive-engine.ts';
import { writeRenamedMoonshine } from '../support/renamed-moonshine.ts';

const BUNDLED = fileURLToPath(new URL('../../models/bundled/moonshine-tiny', import.meta.url));
const VOICE_DETECTOR = fileURLToPath(new URL('../../models/bundled/silero_vad_v5.onnx', import.meta.url));
const AUDIO = join(import.meta.dirname, '../../../shared/audio');
/** Of all kinds: read, spoken, noisy, telephone, one that ends at once. */
const CLIPS = [
  'libri_test_other/1688-142285-0004.flac',
  'libri_test_other/1998-15444-0000.flac',
  'noizeus_8k_noisy/sp01_airport_sn15.wav',
  'commands/two_people.wav',
  'ljspeech/LJ001-0024.mp3',
].map((clip) => join(AUDIO, clip));
const hasAudio = existsSync(AUDIO);
if (!hasAudio)
  console.warn(`published-moonshine: only the bundled clip is compared, ${AUDIO} does not exist`);

const FEW = { languages: ['en'], abilities: { translate: false, words: false, prompt: true } };

let directory = '';
let renamed = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steno-published-'));
  renamed = join(directory, 'renamed');
  await writeRenamedMoonshine(renamed);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The engine of a folder, and what it has to say of how it runs. */
async function open(
  modelDirectory: string,
  facts: Partial<typeof FEW> = FEW,
): Promise<{ engine: Engine; notices: string[]; built: string[] }> {
  const [notices, built]: [string[], string[]] = [[], []];
  const engine = await createEngine('moonshine', {
    modelDirectory,
    cacheDirectory: join(directory, 'cache'),
    onNotice: (message) => notices.push(message),
    onBuild: (name) => built.push(name),
    ...facts,
  });
  return { engine, notices, built };
}

describe('PublishedModel', () => {
  it('says token for token what the publisher’s own loop over the same graphs says', async () => {
    const stock = await createStockRecognizer();
    const model = await PublishedModel.open(renamed);
    const batch = model.createBatch<DecodedSequence>();
    const paths = [fixturePath('jfk.wav'), ...(hasAudio ? CLIPS : [])];
    for (const path of paths) {
      const samples = await decodeToSamples(path);
      const budget = Math.ceil((samples.length / 16_000) * 6);
      const sequence = new DecodedSequence({ budget, temperature: 0, minimumTokens: 0, random: Math.random });
      batch.join(sequence, await model.encode(samples));
      while (!sequence.finished)
        await batch.step(
          (key, next) => key.accept(next),
          () => false,
        );
      const { text } = decodeTokens(sequence.tokens);
      expect(text, path).toBe(await stock.recognize(samples));
      expect(text, path).not.toBe('');
    }
    await model.close();
    await stock.close();
  });

  it('goes back to an earlier place as if it had never gone on', async () => {
    const model = await PublishedModel.open(renamed);
    const speech = await model.encode((await decodeToSamples(fixturePath('jfk.wav'))).subarray(0, 40_000));
    const follow = async (path: readonly { token: number; position?: number }[]) => {
      const batch = model.createBatch<string>();
      batch.join('it', speech);
      let last = new Float32Array(0);
      for (let step = 0; step <= path.length; step += 1)
        await batch.step(
          (_, { logits }) => {
            last = Float32Array.from(logits ?? []);
            return path[step];
          },
          () => true,
        );
      return last;
    };
    const straight = await follow([{ token: 1126 }, { token: 577 }, { token: 590 }]);
    const astray = [
      { token: 1126 },
      { token: 9 },
      { token: 44 },
      { token: 577, position: 1 },
      { token: 590 },
    ];
    expect(await follow(astray)).toEqual(straight);
    const fromStart = [{ token: 9 }, { token: 1126, position: 0 }, { token: 577 }, { token: 590 }];
    expect(await follow(fromStart)).toEqual(straight);
    await model.close();
  });
});

describe('a Moonshine whose weights have unknown names', () => {
  it('is run by its own graphs, says so, and hears what the same model hears otherwise', async () => {
    const ours = await open(BUNDLED);
    const theirs = await open(renamed);
    expect(ours.notices).toEqual([]);
    expect(theirs.notices).toEqual([
      expect.stringMatching(
        /^the published graphs are run as they are, which is slower: decoder_model_merged.onnx: the file holds no node /,
      ),
    ]);
    expect(theirs.engine.capabilities).toEqual({ ...ours.engine.capabilities, batchSize: 1 });
    const samples = await decodeToSamples(fixturePath('jfk.wav'));
    const chunks = () => [chunkOf(samples), chunkOf(samples.subarray(5.2 * 16_000, 7.8 * 16_000))];
    const [expected, answers] = [
      await transcribeAll(ours.engine, chunks()),
      await transcribeAll(theirs.engine, chunks()),
    ];
    expect(answers.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    for (const [index, { avgLogprob }] of answers.entries())
      expect(avgLogprob).toBeCloseTo(expected[index]?.avgLogprob ?? 0, 1);
    await ours.engine.close();
    await theirs.engine.close();
  });

  it('prefers keywords, samples, and gives log probabilities with the bytes of tokens', async () => {
    const { engine } = await open(renamed);
    const samples = (await decodeToSamples(fixturePath('jfk.wav'))).subarray(0.2 * 16_000, 2.3 * 16_000);
    const [plain, biased, drawn] = await transcribeAll(engine, [
      chunkOf(samples, { wantsLogprobs: true }),
      chunkOf(samples, { bias: [{ text: 'fellow Americans', source: 'keyword' }] }),
      chunkOf(samples, { temperature: 1 }),
    ]);
    expect(plain?.text).toContain('fellow-americans');
    expect(
      Buffer.from(plain?.tokenBytes?.flat() ?? [])
        .toString('utf8')
        .trim(),
    ).toBe(plain?.text);
    expect(plain?.logprobs.every((logprob) => logprob <= 0)).toBe(true);
    expect(biased?.text).toContain('fellow Americans');
    expect(drawn?.temperature).toBe(1);
    await engine.close();
  });

  it('is refused where it should give word times', async () => {
    const words = { ...FEW, abilities: { ...FEW.abilities, words: true } };
    await expect(open(renamed, words)).rejects.toThrow(/without the word times that it should give/);
  });
});

describe('a Moonshine whose weights can be read', () => {
  const heard = async (engine: Engine): Promise<string | undefined> => {
    const samples = (await decodeToSamples(fixturePath('jfk.wav'))).subarray(5.2 * 16_000, 7.8 * 16_000);
    const [answer] = await transcribeAll(engine, [chunkOf(samples)]);
    return answer?.text;
  };

  it('is run by graphs built from them once these have been found to compute the same', async () => {
    const folder = join(directory, 'readable');
    await writeRenamedMoonshine(folder, (name) => name.replace(/Unsqueeze/, 'AddAxis'));
    const first = await open(folder);
    expect(first.built).toHaveLength(1);
    expect(first.notices).toEqual([]);
    expect(first.engine.capabilities.batchSize).toBe(8);
    expect(await heard(first.engine)).toMatch(/what your country can do for you/i);
    await first.engine.close();
    const second = await open(folder);
    expect(second.built).toEqual([]);
    await second.engine.close();
  });

  it.each(['encoder', 'decoder'])(
    'is run by its own graphs where a name means another weight in the %s',
    async (part) => {
      const folder = join(directory, `misnamed-${part}`);
      const isMeant = (name: string) => name.startsWith('/model/decoder') === (part === 'decoder');
      const others: Readonly<Record<string, string>> = { q: 'k', k: 'q' };
      await writeRenamedMoonshine(folder, (name) =>
        isMeant(name)
          ? name.replace(/self_attn\/([qk])_proj/, (_, side) => `self_attn/${others[side]}_proj`)
          : name,
      );
      const first = await open(folder);
      expect(first.notices).toEqual([
        expect.stringMatching(
          /graphs built from its weights do not compute what its own graphs do \(encoder off by/,
        ),
      ]);
      expect(await heard(first.engine)).toMatch(/what your country can do for you/i);
      await first.engine.close();
      const second = await open(folder);
      expect(second.built).toEqual([]);
      expect(second.notices).toEqual(first.notices);
      await second.engine.close();
    },
  );

  it('is not compared when it is the package’s own, which is tested more closely elsewhere', async () => {
    const check = async (): Promise<void> => {
      throw new Error('was compared');
    };
    const cacheDirectory = join(directory, 'own');
    await (await MoonshineModel.open({ modelDirectory: BUNDLED, cacheDirectory, check })).close();
    const readable = { modelDirectory: join(directory, 'readable'), cacheDirectory, check };
    await expect(MoonshineModel.open(readable)).rejects.toThrow('was compared');
  });
});

describe('files that are no Moonshine', () => {
  const decoderIn = (folder: string) => join(folder, 'decoder_model_merged.onnx');
  const folderWith = async (name: string): Promise<string> => {
    const folder = join(directory, name);
    await mkdir(folder);
    for (const file of ['encoder_model.onnx', 'decoder_model_merged.onnx'])
      await copyFile(join(renamed, file), join(folder, file));
    return folder;
  };

  it('says which one is missing', async () => {
    const folder = await folderWith('missing');
    await rm(decoderIn(folder));
    await expect(open(folder)).rejects.toThrow('the file decoder_model_merged.onnx of the model is missing');
  });

  it.each([1000, 10_000_000, 20_000_000])('says which one is damaged, cut after %i bytes', async (length) => {
    const folder = await folderWith(`damaged-${length}`);
    await truncate(decoderIn(folder), length);
    await expect(open(folder)).rejects.toThrow('decoder_model_merged.onnx: the file is damaged');
  });

  it('says what another model lacks', async () => {
    const folder = await folderWith('foreign');
    await copyFile(VOICE_DETECTOR, decoderIn(folder));
    await expect(open(folder)).rejects.toThrow(
      /decoder_model_merged.onnx is not of a Moonshine model this version knows: it has no input "input_ids"/,
    );
    await copyFile(join(renamed, 'decoder_model_merged.onnx'), decoderIn(folder));
    await copyFile(decoderIn(folder), join(folder, 'encoder_model.onnx'));
    await expect(open(folder)).rejects.toThrow(
      /encoder_model.onnx is not of a Moonshine model this version knows: it has no input "input_values"/,
    );
  });

  it('says when the two load but do not fit each other', async () => {
    const folder = await folderWith('unfit');
    const [input, output] = ['input_values', 'last_hidden_state'];
    const echo = {
      name: 'echo',
      nodes: [
        {
          operator: 'Identity',
          domain: '',
          name: 'a',
          inputs: [input],
          outputs: [output],
          attributes: new Map(),
        },
      ],
      initializers: new Map(),
      inputs: [{ name: input, type: 'float32' as const, dims: ['batch', 'samples'] }],
      outputs: [{ name: output, type: 'float32' as const, dims: ['batch', 'samples'] }],
      opsets: new Map([['', 17]]),
    };
    await writeFile(join(folder, 'encoder_model.onnx'), writeModel(echo));
    await expect(open(folder)).rejects.toThrow(
      /the two files cannot be run together: .*encoder_hidden_states/s,
    );
  });

  it('passes on why ONNX Runtime cannot load one, without naming folders', async () => {
    const folder = await folderWith('unloadable');
    const graph = {
      name: 'wrong',
      nodes: [
        {
          operator: 'NoSuchThing',
          domain: '',
          name: 'a',
          inputs: ['x'],
          outputs: ['y'],
          attributes: new Map(),
        },
      ],
      initializers: new Map(),
      inputs: [{ name: 'x', type: 'float32' as const, dims: [1] }],
      outputs: [{ name: 'y', type: 'float32' as const, dims: [1] }],
      opsets: new Map([['', 17]]),
    };
    await writeFile(decoderIn(folder), writeModel(graph));
    const failure = await open(folder).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'model_file_invalid',
      message: expect.stringMatching(
        /decoder_model_merged.onnx: ONNX Runtime cannot load it \(.*NoSuchThing/s,
      ),
    });
    expect((failure as Error).message).not.toContain(directory);
  });
});
